"""An error of ours is one sentence in a run's log; its traceback is there for who asks for it."""

from __future__ import annotations

import logging

import pytest

from flows.tlc.errors import ParameterError, UnexpectedError
from flows.ui.run_log import shorten_run_logs

SENTENCE = "ParameterError: fhv 2012-01: the source 'tlc' has fhv trips from 2015-01 on only."


def log_error(error: Exception, message: str = "Encountered exception during execution: %r") -> None:
    """As Prefect's engine does."""
    try:
        raise error
    except Exception as raised:
        logging.getLogger("prefect.flow_runs").exception(message, *([raised] if "%" in message else []))


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    shorten_run_logs()
    shorten_run_logs()  # again without harm
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        caplog.set_level(logging.INFO, name)
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])  # Prefect's own want a run
    return caplog


def ours() -> ParameterError:
    return ParameterError("the source 'tlc' has fhv trips from 2015-01 on only.", dataset="fhv", month="2012-01")


def test_error_of_ours_is_its_sentence_once(log: pytest.LogCaptureFixture) -> None:
    log_error(ours())
    log_error(ours(), "Engine execution exited with unexpected exception")
    log_error(ours(), "Execution of flow run 'x' exited with unexpected exception")
    assert [(record.levelname, record.getMessage(), record.exc_info) for record in log.records] == [
        ("ERROR", SENTENCE, None)
    ]


def test_its_traceback_is_at_debug(log: pytest.LogCaptureFixture) -> None:
    log.set_level(logging.DEBUG, "prefect.flow_runs")
    log_error(ours())
    assert [(record.levelname, bool(record.exc_info)) for record in log.records] == [("DEBUG", True), ("ERROR", False)]


@pytest.mark.parametrize("error", [ValueError("of a library"), UnexpectedError("KeyError: 3")], ids=str)
def test_error_that_nobody_expects_keeps_its_traceback(error: Exception, log: pytest.LogCaptureFixture) -> None:
    log_error(error)
    assert [(record.levelname, bool(record.exc_info)) for record in log.records] == [("ERROR", True)]


def test_tasks_that_completed_are_not_told_without_a_name(log: pytest.LogCaptureFixture) -> None:
    task = logging.getLogger("prefect.task_runs")
    task.info("Finished in state Completed()")
    task.error("Finished in state Failed('why')")
    assert [record.getMessage() for record in log.records] == ["Finished in state Failed('why')"]
