"""Start dbt's process, ask it, and end it.

dbt needs older versions of some packages than the rest of this project, so it has an environment of its own, and a
process of its own with that. It is started before there is anything to ask, since dbt takes seconds to import, and
serves one flow run. It ends when its standard input does: also if this process is killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from flows.dbt.request import DbtAnswer, DbtRequest
from flows.tlc.errors import ModelsError, ModelsNotInstalled

ROOT = Path(__file__).resolve().parents[2]
# How long it may take to end once it has answered: what it tells Prefect is sent by then.
_END_SECONDS = 60.0
# dbt leaves semaphores to the end of the process, and Python warns of them.
_QUIET = {"PYTHONWARNINGS": "ignore:resource_tracker"}


def models_python(root: Path = ROOT) -> Path:
    """The Python that has dbt: this one, or that of ``.venv-models``. Raises ModelsNotInstalled if there is none."""
    if find_spec("prefect_dbt") is not None:
        return Path(sys.executable)
    python = root / ".venv-models" / "bin" / "python"
    if not python.exists():
        raise ModelsNotInstalled(
            f"dbt is not installed: run 'make models' in {root} once, or install the extra: pip install "
            "'nyc-taxi-flows[models]'."
        )
    return python


@dataclass
class DbtProcess:
    """A process that waits for requests."""

    process: subprocess.Popen[str]
    was_asked: bool = False

    def ask(self, request: DbtRequest) -> DbtAnswer:
        """Run dbt, and wait for the answer. Raises ModelsError if dbt could not run at all, or its process ended."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.was_asked = True
        try:
            self.process.stdin.write(request.model_dump_json() + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ModelsError(
                f"the process of dbt ended by itself ({_ending(self.process.wait())}): its last words are in the log "
                "of this run's process. What was built stays; run again for the rest."
            )
        answer = DbtAnswer(**json.loads(line))
        if answer.error:
            raise ModelsError(answer.error)
        return answer


@contextmanager
def dbt_process(environment: Mapping[str, str]) -> Iterator[DbtProcess]:
    """A process with dbt for as long as the block takes; ``environment`` is added to this one's: Prefect's settings.

    If anything is raised out of the block it is killed, and the database undoes what was not committed.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
    process = subprocess.Popen(  # noqa: S603 - our own words
        [str(models_python()), "-P", "-m", "flows.dbt.serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=inherited | _QUIET | dict(environment),
    )
    dbt = DbtProcess(process)
    try:
        yield dbt
        if dbt.was_asked:
            assert process.stdin is not None
            process.stdin.write("end\n")
            process.stdin.close()
            process.wait(_END_SECONDS)
    except (BrokenPipeError, subprocess.TimeoutExpired):
        pass  # the answers are here: what is left is only to be told to Prefect
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
