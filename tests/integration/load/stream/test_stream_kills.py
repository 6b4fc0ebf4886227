"""kill -9 of the reader, of the replay and of the broker, whose events are gone with it: none is lost or doubled."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from blocks.embedded_broker import broker_process, start_broker, stop_broker
from tests.integration.load.stream.conftest import Stream
from tests.integration.load.stream.test_stream import compare
from tests.servers.stream_process import CHANGED, GONE, start

VICTIMS = ("read", "replay", "broker")


class Processes:
    """A reader and a replay, each started again when it has ended, as a schedule would, and their broker."""

    def __init__(self, stream: Stream, folder: Path):
        self.stream = stream
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def ensure(self) -> None:
        start_broker(self.folder)
        for name, place in (("replay", [self.stream.lake]), ("read", [self.stream.database.url, "600"])):
            ended = self.running.get(name)
            if ended is None or ended.poll() is not None:
                again = ["from_start"] if ended and how(ended) == CHANGED else []
                self.running[name] = start(name, self.stream.broker, self.stream.topic, *place, *again)

    def kill(self, name: str) -> None:
        process = broker_process(self.folder) if name == "broker" else self.running[name]
        assert process
        process.kill()
        process.wait(60)

    def rows(self) -> int:
        try:
            return self.stream.rows[0]
        except psycopg2.errors.UndefinedTable:
            return 0

    def wait_for_rows(self, rows: int) -> None:
        while self.rows() < rows:
            self.ensure()
            time.sleep(0.05)

    def end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait(60)
        self.running.clear()


def how(ended: subprocess.Popen[bytes]) -> int:
    """It was killed, is done, lost its broker, found another topic, or none yet; and nothing else."""
    _, said = ended.communicate()
    assert ended.returncode in (-9, 0, CHANGED, GONE) or b"has no topic" in said, said.decode()
    return ended.returncode


@pytest.fixture
def processes(stream_at: Callable[[str], Stream], tmp_path: Path) -> Iterator[Processes]:
    folder = tmp_path / "events"
    running = Processes(stream_at(start_broker(folder)), folder)
    yield running
    running.end()
    stop_broker(folder)


def finish(processes: Processes, whole: int, tmp_path: Path) -> None:
    """Nothing is killed any more: at the end the stream has what the lake has, each event once."""
    processes.wait_for_rows(whole)
    processes.end()
    found = compare(processes.stream, tmp_path)
    assert (found.status, found.rows_in_stream, found.rows_in_lake) == ("equal", whole, whole)
    assert processes.stream.rows == (whole, whole)


@pytest.mark.timeout(120)
def test_each_killed_once(processes: Processes, whole: int, tmp_path: Path) -> None:
    for step, victim in enumerate(VICTIMS, start=1):
        processes.wait_for_rows(step * 200)
        processes.kill(victim)
    finish(processes, whole, tmp_path)


@pytest.mark.kills
@pytest.mark.timeout(1800)
def test_fifty_random_kills(processes: Processes, whole: int, tmp_path: Path) -> None:
    """Whenever a month is whole, another topic begins, so that each kill has something to lose."""
    dice, topics, killed = random.Random(20261129), 1, dict.fromkeys(VICTIMS, 0)
    while sum(killed.values()) < 50:
        processes.ensure()
        time.sleep(dice.uniform(0, 8))  # a process starts in two seconds, a replay takes four
        victim = dice.choice(VICTIMS)
        processes.ensure()
        processes.kill(victim)
        killed[victim] += 1
        if processes.rows() >= whole:
            finish(processes, whole, tmp_path)
            topics += 1
            processes.stream = replace(processes.stream, topic=f"trips-{topics}.green")
    finish(processes, whole, tmp_path)
    print(killed, topics, "topics")
