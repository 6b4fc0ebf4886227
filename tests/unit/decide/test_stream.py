"""When a run that reads a topic ends."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.decide.stream import Until

NOW = datetime(2026, 11, 29, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at_end", "idle", "is_reached"),
    [
        ("end", True, 0, True),
        ("end", False, 99, False),
        ("idle", True, 9.9, False),
        ("idle", False, 99, False),
        ("idle", True, 10, True),
        ("30", True, 29, False),
        ("2.5", True, 2.5, True),
        ("2026-11-29T18:00:00Z", False, 0, True),
        ("2026-11-29 18:00:01", True, 99, False),
        ("2026-11-29T13:00-05:00", False, 0, True),
    ],
)
def test_run_ends_when_it_was_told_to(text: str, at_end: bool, idle: float, is_reached: bool) -> None:
    assert Until.parse(text).is_reached(at_end=at_end, idle_seconds=idle, now=NOW) is is_reached


@pytest.mark.parametrize("text", ["", "never", "-3", "18:00", "end 3", "idle 3", "3s"])
def test_what_is_no_end_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="write end, idle, a number of idle seconds, or a time"):
        Until.parse(text)
