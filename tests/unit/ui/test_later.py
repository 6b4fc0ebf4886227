"""What is shown later: all of it, in order, as part of who asked for it, by the end of the run."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest

from flows.ui.later import show, showing_later

asker: ContextVar[str] = ContextVar("asker")


def test_outside_of_the_block_it_is_shown_at_once() -> None:
    shown: list[int] = []
    show(shown.append, 1)
    assert shown == [1]


def test_within_nobody_waits_and_nothing_is_lost_or_out_of_order() -> None:
    may_show = threading.Event()
    shown: list[tuple[int, str, str]] = []

    def slowly(number: int) -> None:
        assert may_show.wait(30)
        shown.append((number, asker.get(), threading.current_thread().name))

    with showing_later():
        for number in range(3):
            asker.set(f"month {number}")
            show(slowly, number)
        assert shown == []
        may_show.set()
    assert shown == [(number, f"month {number}", "show_0") for number in range(3)]


def test_what_is_loaded_is_shown_though_the_run_is_ended() -> None:
    shown: list[int] = []
    with pytest.raises(KeyboardInterrupt), showing_later():
        show(shown.append, 1)
        raise KeyboardInterrupt
    assert shown == [1]
    show(shown.append, 2)
    assert shown == [1, 2]
