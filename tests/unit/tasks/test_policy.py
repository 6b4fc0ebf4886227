"""What leaves a task is one of this project's errors, and still says which line raised it."""

from __future__ import annotations

import pickle
import socket
import traceback
from pathlib import Path

import duckdb
import httpx
import psycopg2
import pyarrow as pa
import pytest
from google.auth.exceptions import RefreshError
from prefect.exceptions import CancelledRun, Pause, TerminationSignal
from prefect.flow_engine import FlowRunTimeoutError
from prefect.states import Failed
from prefect.task_engine import TaskRunTimeoutError

from flows.load.lake.manifest import Manifest
from flows.tasks.policy import RETRY_TRANSIENT, with_context, with_month_context
from flows.tlc.dataset import Dataset
from flows.tlc.errors import (
    MonthsFailed,
    NotTripFile,
    PrefectUnavailable,
    SourceUnavailable,
    TargetBusy,
    TargetLocked,
    TargetUnavailable,
    TripLoadError,
    UnexpectedError,
)
from flows.tlc.identity import MonthRequest
from flows.tlc.month import Month
from flows.ui.cancellation import LoadStopped

REQUEST = MonthRequest(Dataset.green, Month(2020, 12))
URL = "https://user:secret@host/green.parquet?token=secret"


def connect_to_nobody() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        httpx.get(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=5)


def refresh_nothing() -> None:
    raise RefreshError("invalid_grant: Bad Request")


FOREIGN = {
    "Arrow": lambda: pa.array(["a"]).cast(pa.int64()),
    "disk": lambda: Path("/no/such/folder/file").read_bytes(),
    "Postgres": lambda: psycopg2.extensions.parse_dsn("x y z"),
    "DuckDB": lambda: duckdb.sql("select nothing from nowhere"),
    "a block's content": lambda: {}["duckdb_file"],
    "a broken manifest": lambda: Manifest.model_validate_json(b'{"report": 1}'),
    "Google": refresh_nothing,
    "a bad URL": lambda: httpx.get("http://[::1"),
    "without words": lambda: next(iter(())),
}


@pytest.mark.parametrize("fails", FOREIGN.values(), ids=FOREIGN)
def test_foreign_error_is_one_sentence_with_dataset_and_month(fails) -> None:
    with pytest.raises(UnexpectedError) as caught, with_context("green"), with_month_context(REQUEST, URL):
        fails()
    error, cause = caught.value, caught.value.__cause__
    assert str(error).startswith(f"green 2020-12: {type(cause).__name__}")
    assert "report it with the traceback" in str(error)
    assert "\n" not in str(error)
    assert (error.dataset, error.month, error.url) == ("green", "2020-12", "https://host/green.parquet")
    assert cause is not None
    assert any(frame.filename == __file__ for frame in traceback.extract_tb(cause.__traceback__))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_prefects_server_out_of_reach_is_no_fault_of_the_project() -> None:
    with pytest.raises(PrefectUnavailable, match=r"^green 2020-12: Prefect's server .*ConnectError.*run again"):
        with_month_context(REQUEST)(connect_to_nobody)()


ENDS = [
    FlowRunTimeoutError,
    TaskRunTimeoutError,
    CancelledRun,
    Pause,
    TerminationSignal,
    LoadStopped,
    KeyboardInterrupt,
]


@pytest.mark.parametrize("end", ENDS)
def test_what_ends_a_run_passes_as_it_is(end) -> None:
    error = end(signal=15) if end is TerminationSignal else end()
    with pytest.raises(BaseException) as caught, with_context("green"), with_month_context(REQUEST, URL):
        raise error
    assert caught.value is error


def raise_in_the_depth(error: Exception) -> None:
    raise error from ValueError("what was behind it")


@pytest.mark.parametrize("error", [NotTripFile("half."), MonthsFailed("1 of 2.", report=[1])], ids=["plain", "report"])
def test_error_keeps_its_traceback_and_what_it_carries(error: TripLoadError) -> None:
    with pytest.raises(type(error)) as caught, with_context("fhv"), with_month_context(REQUEST, URL):
        raise_in_the_depth(error)
    assert caught.value is error
    assert str(error) == f"green 2020-12: {error.message}"
    assert traceback.extract_tb(error.__traceback__)[-1].name == "raise_in_the_depth"
    assert isinstance(error.__cause__, ValueError)
    assert getattr(error, "report", [1]) == [1]


@pytest.mark.parametrize(
    ("error", "is_tried_again"),
    [
        (SourceUnavailable("x"), True),
        (TargetUnavailable("x"), True),
        (TargetBusy("x"), True),
        (PrefectUnavailable("x"), True),
        (TargetLocked("x"), False),
        (UnexpectedError("x"), False),
        (ValueError("x"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_was_waited_for_is_not_built_again(error, is_tried_again) -> None:
    assert RETRY_TRANSIENT["retry_condition_fn"](None, None, Failed(data=error)) is is_tried_again
