"""Terraform itself on deployments/terraform, with the stand-in for the providers: form, types, references, plans."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.terraform.configuration import TERRAFORM
from tests.terraform.provider import running_providers

pytestmark = pytest.mark.skipif(
    shutil.which("terraform") is None,
    reason="NO TERRAFORM here: names are checked (test_names.py), plans are not; install Terraform 1.11 or later",
)


@dataclass(frozen=True)
class Terraform:
    """Terraform in a copy of the configuration."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["terraform", f"-chdir={self.folder}", *arguments, "-no-color"],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def terraform(tmp_path: Path) -> Iterator[Terraform]:
    """Initialized; nobody's own settings of Terraform count."""
    files = shutil.ignore_patterns(".terraform*", "*.tfstate*", "terraform.tfvars", "backend.tf")
    folder = Path(shutil.copytree(TERRAFORM, tmp_path / "configuration", ignore=files))
    own = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    with running_providers() as providers:
        alone = {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}
        started = Terraform(folder, own | providers | alone)
        initialized = started("init", "-backend=false", "-input=false")
        assert initialized.returncode == 0, initialized.stderr
        yield started


def test_files_are_formatted() -> None:
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-diff", "-recursive", TERRAFORM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_configuration_is_valid(terraform: Terraform) -> None:
    done = terraform("validate")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_reference_is_seen(terraform: Terraform) -> None:
    """The stand-in does not wave everything through."""
    (terraform.folder / "wrong.tf").write_text('output "wrong" {\n  value = google_storage_bucket.lake.adress\n}\n')
    done = terraform("validate")
    assert done.returncode == 1
    assert 'or exported attribute named "adress"' in " ".join(done.stderr.split())


def test_each_configuration_plans_what_it_should(terraform: Terraform) -> None:
    done = terraform("test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Success! 21 passed" in done.stdout
