"""What a command says when it fails in a way that anybody's machine or server may bring about: one sentence."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from pydantic import ValidationError

from blocks.postgres_access import PostgresFailed

_MOST_CHARACTERS = 300


@contextmanager
def told_in_one_sentence() -> Iterator[None]:
    """End the process with exit code 1 and a sentence on standard error, without a traceback.

    Any other error is one of the project's own, and keeps its traceback.
    """
    try:
        yield
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"`{' '.join(error.cmd[1:])}` ended with {error.returncode}: it says above why.") from None
    except httpx.HTTPStatusError as error:
        raise SystemExit(_refused(error.response)) from None
    except httpx.TransportError as error:
        raise SystemExit(
            f"Prefect's server at {_address(error.request.url)} cannot be reached ({_one_line(error)}). Start it, or "
            "correct PREFECT_API_URL."
        ) from None
    except ValidationError as error:  # its own text has the value, which may be a secret
        first = error.errors(include_input=False, include_url=False)[0]
        raise SystemExit(f"{error.title}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    except (PostgresFailed, ValueError) as error:
        raise SystemExit(_one_line(error)) from None


def _refused(answer: httpx.Response) -> str:
    where = f"Prefect's server at {_address(answer.url)}"
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return (
            f"{where} refuses this login ({answer.status_code}). Set PREFECT_API_AUTH_STRING to its user:password, or "
            "for Prefect Cloud PREFECT_API_KEY to a key with the right to do this."
        )
    said = " ".join(answer.text.split())[:_MOST_CHARACTERS]
    return f"{where} answers {answer.status_code} to {answer.request.method} {answer.url.path}: {said}"


def _address(url: httpx.URL) -> str:
    """The URL of the server, without a login that it may have."""
    return f"{url.scheme}://{url.netloc.decode()}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
