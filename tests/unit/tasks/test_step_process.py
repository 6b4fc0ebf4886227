"""A step's program: its lines are bounded and can be shown, and nothing of it outlives its flow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from flows.tasks import step_guard
from flows.tasks.step_process import MOST_CHARACTERS, MOST_LINES, run_program

# A program that starts another, is asked to end in vain, and says who both are.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
ready, up = os.pipe()
if (child := os.fork()) == 0:
    os.write(up, b"!")
else:
    os.read(ready, 1)
    print(os.getpid(), child, flush=True)
time.sleep(600)
"""


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "pgpass").write_text("secret")
    return folder


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A guard with less patience, so that what ignores SIGTERM is killed soon."""
    guard = tmp_path / "guard.py"
    guard.write_text(Path(step_guard.__file__).read_text().replace("GRACE_SECONDS = 5.0", "GRACE_SECONDS = 0.2"))
    monkeypatch.setattr(step_guard, "__file__", str(guard))


def run(code: str, tmp_path: Path, secrets: Path) -> tuple[tuple[int, str], list[str]]:
    lines: list[str] = []
    ended = run_program([sys.executable, "-c", code], os.environ, tmp_path, secrets, lines.append)
    return ended, lines


def test_both_streams_are_lines_and_the_exit_code_is_the_programs(tmp_path: Path, secrets: Path) -> None:
    code = "import sys; print('a\\tb\\x1b[2J', flush=True); print('why', file=sys.stderr); sys.exit(7)"
    assert run(code, tmp_path, secrets) == ((7, "why"), ["a       b\\x1b[2J", "why"])
    assert not secrets.exists()


def test_log_is_bounded_and_the_last_line_is_known(tmp_path: Path, secrets: Path) -> None:
    code = f"print('x' * 200_000); [print(n) for n in range({MOST_LINES})]; print('end', end='')"
    (code_, last), lines = run(code, tmp_path, secrets)
    assert (code_, last, len(lines)) == (0, "end", MOST_LINES + 1)
    assert max(map(len, lines)) == MOST_CHARACTERS + 1


def test_what_a_program_leaves_running_is_killed(tmp_path: Path, secrets: Path) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"
    (_, pid), _lines = run(code, tmp_path, secrets)
    assert ended([int(pid)])


def test_whoever_is_interrupted_leaves_no_process(tmp_path: Path, secrets: Path) -> None:
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.extend(map(int, line.split()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_program([sys.executable, "-c", STUBBORN], os.environ, tmp_path, secrets, interrupt)
    assert len(pids) == 2
    assert ended(pids)
    assert not secrets.exists()


def test_whoever_is_killed_leaves_no_process_and_no_secret(tmp_path: Path, secrets: Path) -> None:
    caller = f"""
import os, sys
from pathlib import Path
from flows.tasks import step_guard
from flows.tasks.step_process import run_program
step_guard.__file__ = {str(tmp_path / "guard.py")!r}
say = lambda line: print(line, flush=True)
run_program([sys.executable, "-c", {STUBBORN!r}], os.environ, Path({str(tmp_path)!r}), Path({str(secrets)!r}), say)
"""
    killed = subprocess.Popen([sys.executable, "-c", caller], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert killed.stdout is not None
    pids = [int(pid) for pid in killed.stdout.readline().split()]
    guard = psutil.Process(pids[0]).parent()
    assert guard is not None
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    guard.wait(60)
    assert len(pids) == 2
    assert ended(pids)
    assert not secrets.exists()


def ended(pids: list[int]) -> bool:
    """True as soon as all of them have ended, though nobody has taken notice of it yet."""
    while any(map(is_running, pids)):
        os.sched_yield()
    return True


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
