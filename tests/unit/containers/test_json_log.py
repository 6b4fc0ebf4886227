"""A record as one line of JSON."""

from __future__ import annotations

import json
import logging
import sys

from deployments.containers.json_log import JsonLines


def line_of(message: str, *arguments: object, error: bool = False, **known: object) -> str:
    record = logging.LogRecord("tlc", logging.ERROR, __file__, 1, message, arguments, sys.exc_info() if error else None)
    record.created = 1_700_000_000.25
    record.__dict__ |= known
    return JsonLines("default", None, "%").format(record)


def test_message_is_put_together_and_its_arguments_are_not_told() -> None:
    told = json.loads(line_of("%s rows of %s", 3, "green", flow_run_id="1", flow_run_name="load green", other="x"))
    assert told == {
        "time": "2023-11-14T22:13:20.250+00:00",
        "level": "ERROR",
        "logger": "tlc",
        "message": "3 rows of green",
        "flow_run_id": "1",
        "flow_run_name": "load green",
    }


def test_a_traceback_and_odd_characters_are_in_the_same_line() -> None:
    try:
        raise ValueError("first\nsecond \u2028 \udcff")
    except ValueError:
        line = line_of("it\r\nfailed →", error=True)
    assert line.isascii() and len(line.splitlines()) == 1
    told = json.loads(line)
    assert told["message"] == "it\r\nfailed →"
    assert told["traceback"].startswith("Traceback (most recent call last):\n")
    assert "ValueError: first\nsecond \u2028 \udcff" in told["traceback"]
