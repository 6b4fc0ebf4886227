"""``make notebook``: the notebook of ten questions, on the demo's data, in the browser."""

from __future__ import annotations

import subprocess
import sys

from blocks.settings import Settings, make_private
from deployments.local.demo import demo_environment
from deployments.server.declared import PROJECT

NOTEBOOK = PROJECT / "notebooks" / "ten_questions.py"


def main() -> None:
    """Open it, with a token in its URL, on this machine alone; returns when it is closed."""
    folder = Settings().local_dir.absolute()
    make_private(folder)
    with demo_environment(folder, keeps_runs=False):
        command = [sys.executable, "-m", "marimo", "edit", "--host=127.0.0.1", "--skip-update-check", str(NOTEBOOK)]
        raise SystemExit(subprocess.run(command, cwd=PROJECT, check=False).returncode)  # noqa: S603 - our own words


if __name__ == "__main__":
    main()
