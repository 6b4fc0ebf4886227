"""The commands of docs/google-cloud.md as they stand, pasted; programs that ask a cloud note how they were called.

A paste is the input of the shell and of what it starts: a program that asks a question takes the next line for its
answer, and so do the stand-ins.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.terraform.configuration import TERRAFORM, read_configuration
from tests.terraform.stand_ins import make_program

PAGE = TERRAFORM.parents[1] / "docs" / "google-cloud.md"
NOTE = """
import os, sys
call = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
with open(os.environ["CALLS"], "a") as calls:
    print(*call, file=calls)

def answer():
    # A line of the terminal, and no more of what was pasted.
    line = b""
    while not line.endswith(b"\\n") and (read := os.read(0, 1)):
        line += read
    return line.decode().strip()
"""
TERRAFORM_PROGRAM = f"""{NOTE}
IMAGE = "us-east4-docker.pkg.dev/my-project-1234/nyc-taxi-flows/nyc-taxi-flows:0ld"
if "apply" in call and "-auto-approve" not in call:
    print("Enter a value:")
    with open(os.environ["CALLS"], "a") as calls:
        print("answered:", answer(), file=calls)
if "output" in call:
    print({{"image": IMAGE, "registry": IMAGE.split("/")[0], "environment": "export TLC_IMAGE=told"}}[call[-1]], end="")
"""
GCLOUD = f"""{NOTE}
if "configure-docker" in call and "--quiet" not in call:
    answer()
if call[1:4] == ["run", "jobs", "list"]:
    print("one-1a2b3c4", "two-5d6e7f8", sep="\\n")
"""


@dataclass(frozen=True)
class Shell:
    """A copy of the project's folders in which pasted commands run."""

    project: Path

    def paste(self, commands: str, folder: str = ".", *, then: str = "") -> list[str]:
        """The calls of programs, in their order; ``then`` is typed after the paste."""
        note = self.project / "calls"
        note.unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-s"],
            input=commands + then,
            cwd=self.project / folder,
            env={"PATH": f"{self.project / 'programs'}:{os.environ['PATH']}", "CALLS": str(note)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return note.read_text().splitlines()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    own = shutil.ignore_patterns(".terraform*", "*.tfvars", "backend.tf")
    shutil.copytree(TERRAFORM, tmp_path / "deployments" / "terraform", ignore=own)
    for name in ("programs/docker", "programs/make", ".venv/bin/python", ".venv/bin/prefect"):
        make_program(tmp_path / name, NOTE)
    make_program(tmp_path / "programs/terraform", TERRAFORM_PROGRAM)
    make_program(tmp_path / "programs/gcloud", GCLOUD)
    make_program(tmp_path / "programs/git", f"{NOTE}\nif call[1] == 'rev-parse': print('0a1b2c3')")
    make_program(tmp_path / "deployments/terraform/roles.sh", NOTE)
    return Shell(tmp_path)


def blocks(heading: str) -> list[str]:
    """The shell blocks of a section."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def places(calls: list[str], beginnings: Iterable[str]) -> list[int]:
    """Where the one call that begins so is in the order."""
    found = [[place for place, call in enumerate(calls) if call.startswith(beginning)] for beginning in beginnings]
    assert all(len(each) == 1 for each in found), calls
    return [place for (place,) in found]


def test_what_makes_it_can_be_pasted(shell: Shell) -> None:
    login, make, roles, register, *_ = blocks("Make it")
    assert len(shell.paste(login)) == 2

    calls = shell.paste(make, then="yes\n")

    image = "us-east4-docker.pkg.dev/my-project-1234/nyc-taxi-flows/nyc-taxi-flows:0ld"
    in_order = places(
        calls,
        [
            "gcloud services enable cloudresourcemanager.googleapis.com serviceusage.googleapis.com ",
            "gcloud storage buckets create gs://my-project-1234-terraform --project=my-project-1234 --location=US ",
            "gcloud storage buckets update gs://my-project-1234-terraform --versioning",
            "terraform init",
            "terraform apply -auto-approve -target=google_artifact_registry_repository.images",
            "gcloud auth configure-docker --quiet us-east4-docker.pkg.dev",
            "docker build ",
            f"docker push {image}",
            "answered: yes",
        ],
    )
    assert in_order == sorted(in_order)
    assert calls[-2:] == ["terraform apply", "answered: yes"]
    assert places(shell.paste(roles, "deployments/terraform"), ["make -C ../.. setup", "roles.sh"]) == [0, 1]
    assert shell.paste(register, "deployments/terraform")[0] == "terraform output -raw environment"


def test_what_it_writes_is_what_terraform_reads(shell: Shell) -> None:
    shell.paste(blocks("Make it")[1], then="yes\n")

    folder = shell.project / "deployments" / "terraform"
    given = (folder / "terraform.tfvars").read_text()
    assert re.findall(r"^\w+ += \"(.+?)\"", given, re.MULTILINE)[:3] == ["my-project-1234", "us-east4", "US"]
    names = re.findall(r"^(?:# )?(\w+) += ", given + (folder / "image.auto.tfvars").read_text(), re.MULTILINE)
    assert len(names) == 8
    assert set(names) <= {name.strip('"') for block in read_configuration()["variable"] for name in block}
    assert 'bucket = "my-project-1234-terraform"' in (folder / "backend.tf").read_text()


def test_a_new_version_can_be_pasted(shell: Shell) -> None:
    build, register = blocks("A new version")

    calls = shell.paste(build, then="yes\n")

    image = "us-east4-docker.pkg.dev/my-project-1234/nyc-taxi-flows/nyc-taxi-flows:0a1b2c3"
    in_order = places(calls, ["git pull", f"docker push {image}", "terraform apply"])
    assert in_order == sorted(in_order)
    assert calls[-1] == "answered: yes"
    assert (shell.project / "deployments/terraform/image.auto.tfvars").read_text() == 'image_tag = "0a1b2c3"\n'
    assert shell.paste(register, "deployments/terraform")[-1] == "python -m deployments.apply --pool tlc-cloud-run"


def test_left_jobs_are_removed_one_by_one(shell: Shell) -> None:
    (remove,) = blocks("Who may do what")

    deleted = [call for call in shell.paste(remove) if call.startswith("gcloud run jobs delete")]

    assert [call.rsplit(" ", 1)[1] for call in deleted] == ["one-1a2b3c4", "two-5d6e7f8"]


def test_a_question_in_the_middle_is_seen(shell: Shell) -> None:
    """What the tests above rely on: it would swallow the next line."""
    calls = shell.paste("terraform apply\ndocker push image\nterraform init\n")
    assert calls == ["terraform apply", "answered: docker push image", "terraform init"]
