"""Exit code 0 if a URL answers with success, for a container's health check: ``python -m …healthy URL``.

With ``--restart FILE`` what fails for long is ended (see ``restart``), unless nobody answers at ``--unless-lost URL``:
a worker that waits for its server is not helped by a restart.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from deployments.containers import restart

TIMEOUT_SECONDS = 5


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask once; exits with the error if there is one."""
    parser = argparse.ArgumentParser(prog="python -m deployments.containers.healthy", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--restart", type=Path, metavar="FILE")
    parser.add_argument("--unless-lost", metavar="URL")
    options = parser.parse_args(arguments)
    error = _error(options.url)
    if options.restart:
        is_hung = error and not (options.unless_lost and _is_lost(options.unless_lost))
        (restart.failed if is_hung else restart.well)(options.restart)
    if error:
        raise SystemExit(f"{options.url}: {error}")


def _is_lost(url: str) -> bool:
    """A server that refuses, such as Prefect Cloud without a key, is there."""
    error = _error(url)
    refuses = isinstance(error, HTTPError) and error.code < HTTPStatus.INTERNAL_SERVER_ERROR
    return error is not None and not refuses


def _error(url: str) -> OSError | None:
    """Ask without any proxy."""
    try:
        build_opener(ProxyHandler({})).open(url, timeout=TIMEOUT_SECONDS).close()
    except OSError as error:
        return error
    return None


if __name__ == "__main__":
    main()
