"""The embedded broker: where it listens, and what is left of one that does not start or whose starter is killed."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from blocks import embedded_broker
from blocks.embedded_broker import BrokerFailed, broker_process, start_broker, stop_broker


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "events"
    stop_broker(tmp_path / "events")


def test_it_listens_on_loopback_alone_and_comes_back_there(folder: Path) -> None:
    address = start_broker(folder)
    process = broker_process(folder)
    assert process
    listening = {each.laddr for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
    assert [f"{at.ip}:{at.port}" for at in listening] == [address]
    assert address.startswith("127.0.0.1:")
    assert start_broker(folder) == address
    assert broker_process(folder) == process
    process.kill()
    process.wait(60)
    assert broker_process(folder) is None
    assert start_broker(folder) == address


def test_one_that_dies_at_once_is_told_at_once_whoever_has_its_port(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_broker, "_START_SECONDS", math.inf)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(embedded_broker, "_port", lambda _folder: taken.getsockname()[1])
        with pytest.raises(BrokerFailed, match=r"does not start. Its log is .*/events/log\.$"):
            start_broker(folder)
    assert not stop_broker(folder)


def test_one_whose_starter_was_killed_before_its_note_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = embedded_broker._keep
    with monkeypatch.context() as patched:

        def killed_with_the_pid_at_hand(folder: Path, note: embedded_broker._Note) -> None:
            if note.pid:
                raise KeyboardInterrupt
            keep(folder, note)

        patched.setattr(embedded_broker, "_keep", killed_with_the_pid_at_hand)
        with pytest.raises(KeyboardInterrupt):
            start_broker(folder)
    process = broker_process(folder)
    assert process
    start_broker(folder)
    assert broker_process(folder) == process
    assert stop_broker(folder)
    assert not process.is_running()
