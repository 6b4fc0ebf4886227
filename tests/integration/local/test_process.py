"""Processes that outlive their starter: found again, and ended, by what they are and not by their number or name."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from blocks.embedded_postgres import stop_postgres
from deployments.local.ports import choose_port
from deployments.local.prefect_database import prefect_database_folder
from deployments.local.process import MARK, Note, Processes, wait_for_end
from deployments.local.services import ServiceFailed, Services

SLEEP = [sys.executable, "-c", "import time; print('started', flush=True); time.sleep(600)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("TLC_", "PREFECT_"))}


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    for file in (tmp_path / "run").glob("*.json"):
        started.stop(file.stem, grace_seconds=0)


def wait_for_log(processes: Processes, name: str, text: str) -> None:
    for _ in range(200):
        if text in processes.log_file(name).read_text():
            return
        time.sleep(0.05)
    raise AssertionError(processes.log_file(name).read_text())


def test_process_has_a_session_of_its_own_and_a_log(processes: Processes) -> None:
    note = processes.start("one", SLEEP, CLEAN)
    wait_for_log(processes, "one", "started")
    assert os.getsid(note.pid) == note.pid != os.getsid(0)
    assert processes.running("one") == note
    assert processes.stop("one")
    assert wait_for_end(note, 0)
    assert processes.note("one") is None
    assert not processes.stop("one")


def test_process_runs_from_its_start_on(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Popen returns while the kernel still exchanges the program: for a moment its environment is empty."""
    environ, looks = psutil.Process.environ, iter(range(3))
    monkeypatch.setattr(
        psutil.Process, "environ", lambda process: {} if next(looks, None) is not None else environ(process)
    )
    note = processes.start("one", SLEEP, CLEAN)
    assert processes.running("one") == note


def test_killed_process_is_noted_and_does_not_run(processes: Processes) -> None:
    note = processes.start("one", SLEEP, CLEAN)
    os.kill(note.pid, signal.SIGKILL)
    assert wait_for_end(note, 20)
    assert processes.note("one") == note
    assert processes.running("one") is None


def test_process_that_has_the_number_by_now_is_left_alone(processes: Processes) -> None:
    """A pid file alone would name this innocent: it has the number, but not the mark."""
    innocent = subprocess.Popen(SLEEP, env=CLEAN, stdout=subprocess.DEVNULL)
    try:
        note = processes.start("one", SLEEP, CLEAN)
        os.kill(note.pid, signal.SIGKILL)
        assert wait_for_end(note, 20)
        stale = note.model_copy(update={"pid": innocent.pid})
        (processes.folder / "run" / "one.json").write_text(stale.model_dump_json())
        assert processes.running("one") is None
        assert not processes.stop("one")
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def test_process_that_does_not_hear_is_killed(processes: Processes) -> None:
    note = processes.start("deaf", DEAF, CLEAN)
    wait_for_log(processes, "deaf", "deaf")
    assert processes.stop("deaf", grace_seconds=0.3)
    assert wait_for_end(note, 20)


def test_only_flow_runs_of_this_platform_are_found(processes: Processes, tmp_path: Path) -> None:
    run = CLEAN | {"PREFECT__FLOW_RUN_ID": "1"}
    others = Processes(tmp_path / "others")
    own, other = processes.start("run", SLEEP, run), others.start("run", SLEEP, run)
    processes.start("server", SLEEP, CLEAN)
    try:
        assert [process.pid for process in processes.flow_processes()] == [own.pid]
        assert processes.flow_processes(beside=[own.pid]) == []
        assert [process.pid for process in others.flow_processes()] == [other.pid]
    finally:
        others.stop("run", grace_seconds=0)


def test_process_whose_starter_was_killed_before_it_was_noted_is_found_and_ended(
    processes: Processes, tmp_path: Path
) -> None:
    others = Processes(tmp_path / "others")
    known = others.start("server", SLEEP, CLEAN)
    stray, second = (processes.start("server", SLEEP, CLEAN) for _ in range(2))  # the second note replaces the first
    run = processes.start("worker", SLEEP, CLEAN | {"PREFECT__FLOW_RUN_ID": "1"})
    try:
        assert processes.stop("server")
        assert wait_for_end(stray, 0)
        assert wait_for_end(second, 0)
        unnoted = processes.start("server", SLEEP, CLEAN)
        for name in ("server", "worker"):
            (processes.folder / "run" / f"{name}.json").unlink()
        assert processes.names() == ["server"]
        assert processes.stop("server")
        assert wait_for_end(unnoted, 0)
        assert not processes.stop("worker")
        assert processes.names() == []
        assert run.process()
        assert known.process()
    finally:
        others.stop("server", grace_seconds=0)
        os.kill(run.pid, signal.SIGKILL)


def test_note_shows_no_setting(processes: Processes) -> None:
    processes.start("one", SLEEP, CLEAN | {"TLC_POSTGRES_URL": "postgresql://me:hunter2@host/db"})
    kept = "".join(file.read_text() for file in processes.folder.rglob("*") if file.is_file())
    assert "hunter2" not in kept
    assert MARK not in kept


def test_part_is_left_alone_until_its_settings_change(processes: Processes) -> None:
    services = Services(processes, processes.folder, lambda url: CLEAN | {"PREFECT_API_URL": url})
    with socket.socket() as one, socket.socket() as two:  # servers that never answer: the worker waits, and lives
        urls = []
        for listening in (one, two):
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            urls.append(f"http://127.0.0.1:{listening.getsockname()[1]}/api")
        first = services.ensure_worker(urls[0], "pool")
        assert services.ensure_worker(urls[0], "pool") == first
        other = services.ensure_worker(urls[1], "pool")
        assert other.pid != first.pid
        assert wait_for_end(first, 0)


def test_part_that_ends_at_once_shows_the_end_of_its_log(processes: Processes) -> None:
    services = Services(
        processes, processes.folder, lambda _url: CLEAN | {"PREFECT_SERVER_DATABASE_TIMEOUT": "no number"}
    )
    try:
        with pytest.raises(ServiceFailed, match=r"(?s)^The server ended at once\..*no number.*make up"):
            services.ensure_server(choose_port(0), meanwhile=lambda: None)
    finally:
        stop_postgres(prefect_database_folder(processes.folder))


def test_port_that_is_taken_is_not_chosen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert choose_port(port) not in {port, 0}
    assert choose_port(port) == port


def test_damaged_note_is_none(processes: Processes) -> None:
    processes.start("one", SLEEP, CLEAN)
    file = processes.folder / "run" / "one.json"
    whole = file.read_text()
    file.write_text(whole[:20])
    assert processes.note("one") is None
    file.write_text(whole)
    assert isinstance(processes.note("one"), Note)
