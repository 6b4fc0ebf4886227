"""What a command says when it fails in a way that is nobody's mistake in the code."""

from __future__ import annotations

import subprocess

import httpx
import pytest
from pydantic import BaseModel, SecretStr

from blocks.failures import told_in_one_sentence
from blocks.postgres_access import PostgresFailed

REQUEST = httpx.Request("POST", "http://user:canary@127.0.0.1:4200/api/work_pools/")


class Limits(BaseModel):
    rows: int
    password: SecretStr = SecretStr("")


def refused(status: int, text: str = "") -> httpx.HTTPStatusError:
    return httpx.HTTPStatusError("", request=REQUEST, response=httpx.Response(status, text=text, request=REQUEST))


def invalid() -> Exception:
    try:
        Limits(rows="canary")  # type: ignore[arg-type] # it is wrong
    except ValueError as error:
        return error
    raise AssertionError("it took it")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("there are no\n credentials"), "there are no credentials"),
        (PostgresFailed("Postgres does not start"), "Postgres does not start"),
        (
            subprocess.CalledProcessError(1, ["/usr/bin/python", "-m", "prefect", "deploy"]),
            "`-m prefect deploy` ended with 1: it says above why.",
        ),
        (
            httpx.ConnectError("refused", request=REQUEST),
            "Prefect's server at http://127.0.0.1:4200 cannot be reached (refused). Start it, or correct "
            "PREFECT_API_URL.",
        ),
        (
            refused(422, "no\nsuch field"),
            "Prefect's server at http://127.0.0.1:4200 answers 422 to POST /api/work_pools/: no such field",
        ),
        (
            refused(403),
            "Prefect's server at http://127.0.0.1:4200 refuses this login (403). Set PREFECT_API_AUTH_STRING to its "
            "user:password, or for Prefect Cloud PREFECT_API_KEY to a key with the right to do this.",
        ),
        (
            invalid(),
            "Limits: rows: Input should be a valid integer, unable to parse string as an integer.",
        ),
    ],
)
def test_failure_is_one_sentence_without_secrets(error: Exception, sentence: str) -> None:
    with pytest.raises(SystemExit) as ended, told_in_one_sentence():
        raise error
    assert ended.value.code == sentence
    assert ended.value.__suppress_context__


def test_mistake_in_the_code_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), told_in_one_sentence():
        raise KeyError("column")
