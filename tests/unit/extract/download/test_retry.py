"""Waits grow, stay within bounds and differ between clients."""

from __future__ import annotations

import pytest

from flows.extract.download.find import SourceFile
from flows.extract.download.retry import Attempts, RetryPolicy, TryAgain
from flows.tlc.errors import SourceBlocked, SourceUnavailable
from flows.tlc.urls import plain_url

NO_WAIT = RetryPolicy(failures=3, requests=8, first_wait=0)


def test_waits_double_up_to_the_longest():
    retry_policy = RetryPolicy(first_wait=1, longest_wait=10)
    for failures, longest in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (60, 10)):
        waits = {retry_policy.wait_after(failures) for _ in range(200)}
        assert len(waits) > 100
        assert longest / 2 <= min(waits)
        assert max(waits) <= longest


def test_retry_after_comes_before_the_wait_and_is_capped():
    retry_policy = RetryPolicy(first_wait=1, longest_retry_after=100)
    assert 30.5 <= retry_policy.wait_after(1, 30) <= 31
    assert 100.5 <= retry_policy.wait_after(1, 86_400) <= 101
    assert 0.5 <= retry_policy.wait_after(1, -5) <= 1


def test_failures_in_a_row_end_the_patience():
    attempts = Attempts("http://host/x", NO_WAIT)
    attempts.failed(TryAgain("it answered 500"))
    attempts.failed(TryAgain("it answered 500"))
    with pytest.raises(SourceUnavailable, match=r"^http://host/x failed 3 times, the last 3 in a row without progress"):
        attempts.failed(TryAgain("it answered 500"))


def test_progress_lets_failures_count_from_zero_but_not_for_ever():
    attempts = Attempts("http://host/x", NO_WAIT)
    for progressed in (False, False, True, False, False, True, True):
        attempts.failed(TryAgain("broke off"), progressed=progressed)
    with pytest.raises(SourceUnavailable, match=r"failed 8 times; at last broke off\. "):
        attempts.failed(TryAgain("broke off"), progressed=True)


def test_a_failure_says_which_error_it_becomes():
    with pytest.raises(SourceBlocked, match="Wait an hour"):
        Attempts("u", RetryPolicy(failures=1)).failed(TryAgain("r", final=SourceBlocked, advice="Wait an hour."))


def test_plain_urls_have_no_secret_parts():
    assert plain_url("https://user:secret@host:8080/a/b.parquet?sig=secret#x") == "https://host:8080/a/b.parquet"


def file(etag: str | None = None, length: int | None = 10, last_modified: str | None = None) -> SourceFile:
    return SourceFile("u", etag, length, last_modified)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (file('"a"'), file('"a"'), True),
        (file('"a"'), file('"b"'), False),
        (file('"a"'), file(None), False),
        (file('"a"', 10), file('"a"', 11), False),
        (file('"a"', 10), file('"a"', None), True),
        (file('W/"a"'), file('W/"a"'), True),
        (file(None, 10, "Mon"), file(None, 10, "Mon"), True),
        (file(None, 10, "Mon"), file(None, 10, "Tue"), False),
        (file(None, None, "Mon"), file(None, None, "Mon"), False),
        (file(None, 10), file(None, 10), False),
    ],
)
def test_two_descriptions_are_surely_the_same_version_or_not(one, other, same):
    assert one.is_same_version(other) is same
    assert other.is_same_version(one) is same
