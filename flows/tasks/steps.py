"""The task of a step: its file, its program, and what that leaves."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from prefect import get_run_logger, task

from blocks.settings import Settings, make_private
from flows.decide.models import ModelsTarget
from flows.decide.step import StepReport, read_step
from flows.tasks.policy import RETRY_TRANSIENT
from flows.tasks.step_environment import step_environment
from flows.tasks.step_process import run_program
from flows.tlc.errors import ParameterError, StepFailed


@contextmanager
def step_folder(file: str, target: ModelsTarget, month: str, parameters: Sequence[str]) -> Iterator[Path]:
    """The folder for the files of a run with these values; another one with the same waits until the block ends."""
    local = Settings().local_dir.absolute()
    make_private(local)
    given = f"-{hashlib.sha256(' '.join(sorted(parameters)).encode()).hexdigest()[:8]}" if parameters else ""
    folder = local / "steps" / file / f"{target}-{month}{given}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        yield folder


@task(name="run-step-file", task_run_name="run {file}", **RETRY_TRANSIENT)
def run_file(file: str, target: ModelsTarget, month: str, parameters: Sequence[str], folder: Path) -> StepReport:
    """Run the step's program to its end, with ``folder`` for its files; returns what came of it, also if it failed.

    Raises ParameterError if there is no such step, or its header does not allow that, and StepFailed if its program is
    not installed.
    """
    path = _find(file)
    step = read_step(file, path.read_text(encoding="utf-8"))
    values = step.values(target, month, parameters)
    command = _command(path)
    log = get_run_logger()
    log.info("%s reads %s, writes %s", file, ", ".join(step.reads) or "?", ", ".join(step.writes) or "nothing")
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier run, or try
    folder.mkdir()
    with tempfile.TemporaryDirectory(prefix="tlc-step-", ignore_cleanup_errors=True) as secrets:
        environment = step_environment(step, values, folder, Path(secrets))
        code, last = run_program(command, environment, folder, Path(secrets), lambda line: log.info("%s", line))
    return StepReport(
        file=file,
        target=target,
        month=month,
        parameters=list(parameters),
        folder=str(folder),
        files=sorted(one.name for one in folder.iterdir() if one.is_file() and not one.is_symlink()),
        exit_code=code,
        last_line=last,
        seconds=round(time.monotonic() - started, 3),
        status="failed" if code else "completed",
    )


def _find(file: str) -> Path:
    """The step's file. Raises ParameterError if it is not in the folder, or is a link that leads out of it."""
    folder = Settings().steps_dir
    path = folder / file
    if not path.is_file() or path.resolve().parent != folder.resolve():
        known = sorted(one.name for one in folder.glob("*") if one.suffix in (".sql", ".py", ".R"))
        raise ParameterError(f"there is no such step in {folder}: choose from {', '.join(known) or 'none'}.")
    return path.resolve()


def _command(path: Path) -> list[str]:
    if path.suffix == ".sql":
        return [sys.executable, "-m", "flows.tasks.step_sql", str(path)]
    if path.suffix == ".py":
        return [sys.executable, str(path)]
    if (program := shutil.which("Rscript")) is None:
        raise StepFailed("R is not installed: apt-get install r-base-core r-cran-dbi r-cran-rpostgresql")
    return [program, str(path)]
