"""What is shown later: all of it, in order, as part of who asked for it, by the end of the run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context

import pytest

from flows.ui import later
from flows.ui.cancellation import LoadStopped, stopping_together
from flows.ui.later import MOST_WAITING, show, showing_later

asker: ContextVar[str] = ContextVar("asker")


def _wait_for(server: threading.Event) -> None:
    assert server.wait(120)


def test_outside_of_the_block_it_is_shown_at_once() -> None:
    shown: list[int] = []
    show(shown.append, 1)
    assert shown == [1]


def test_within_nobody_waits_and_nothing_is_lost_or_out_of_order() -> None:
    may_show = threading.Event()
    shown: list[tuple[int, str, str]] = []

    def slowly(number: int) -> None:
        assert may_show.wait(120)
        shown.append((number, asker.get(), threading.current_thread().name))

    with showing_later():
        for number in range(3):
            asker.set(f"month {number}")
            show(slowly, number)
        assert shown == []
        may_show.set()
    assert shown == [(number, f"month {number}", "show") for number in range(3)]


def test_what_is_loaded_is_shown_though_the_run_is_ended() -> None:
    shown: list[int] = []
    with pytest.raises(KeyboardInterrupt), showing_later():
        show(shown.append, 1)
        raise KeyboardInterrupt
    assert shown == [1]
    show(shown.append, 2)
    assert shown == [1, 2]


def test_run_that_is_ended_waits_for_no_server_that_is_gone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(later, "LAST_SECONDS", 0.1)
    server_is_back = threading.Event()
    with pytest.raises(KeyboardInterrupt), showing_later():
        for _ in range(MOST_WAITING):
            show(_wait_for, server_is_back)
        raise KeyboardInterrupt
    server_is_back.set()
    assert "too slow to be shown the last of what is loaded" in caplog.text


def test_months_wait_if_the_server_is_slow_and_stop_with_their_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "LAST_SECONDS", 0.1)
    server_is_back, is_full = threading.Event(), threading.Event()

    def month() -> None:
        for number in range(MOST_WAITING + 2):  # one is being shown, and one finds no room
            if number == MOST_WAITING + 1:
                is_full.set()
            show(_wait_for, server_is_back)

    with ThreadPoolExecutor(1) as months:
        with pytest.raises(KeyboardInterrupt), showing_later(), stopping_together():
            loading = months.submit(copy_context().run, month)
            assert is_full.wait(120)
            raise KeyboardInterrupt
        with pytest.raises(LoadStopped):
            loading.result(30)
    server_is_back.set()


def test_what_fails_leaves_the_next_its_turn(caplog: pytest.LogCaptureFixture) -> None:
    shown: list[int] = []

    def fail() -> None:
        raise LoadStopped("by mistake")

    with showing_later():
        show(fail)
        show(shown.append, 1)
    assert shown == [1]
    assert "cannot be shown" in caplog.text
