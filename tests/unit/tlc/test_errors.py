"""Errors say which month they are about, once, and survive a process border."""

from __future__ import annotations

import pickle

import pytest

from flows.tlc import errors
from flows.tlc.errors import NotTripFile, SourceError, TargetBusy, TripLoadError

PUBLIC = {name: kind for name, kind in vars(errors).items() if not name.startswith("_")}
KINDS = [kind for kind in PUBLIC.values() if isinstance(kind, type) and issubclass(kind, TripLoadError)]


def test_message_begins_with_dataset_and_month() -> None:
    error = NotTripFile("it is a page.").with_context("green", "2020-12", "http://x/")
    assert str(error) == "green 2020-12: it is a page."
    assert (error.dataset, error.month, error.url) == ("green", "2020-12", "http://x/")
    assert isinstance(error, SourceError)


def test_what_was_known_when_it_was_raised_stays() -> None:
    error = TargetBusy("busy.", dataset="fhv", month="2019-01").with_context("green", "2020-12", "http://x/")
    assert (str(error), error.url) == ("fhv 2019-01: busy.", "http://x/")
    assert str(error.with_context("a", "b")) == "fhv 2019-01: busy."


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_errors_survive_pickling_whole(kind) -> None:
    error = pickle.loads(pickle.dumps(kind("no.", dataset="fhv", month="2019-01", url="http://x/")))
    assert type(error) is kind
    assert (str(error), error.message, error.url) == ("fhv 2019-01: no.", "no.", "http://x/")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_stands_in_the_tree(kind) -> None:
    assert kind.__name__ in str(errors.__doc__)


def test_months_that_failed_carry_the_report_across_a_process_border() -> None:
    error = pickle.loads(pickle.dumps(errors.MonthsFailed("2 of 3.", report={"months": 3}, dataset="fhv")))
    assert (error.report, error.dataset, error.message) == ({"months": 3}, "fhv", "2 of 3.")
