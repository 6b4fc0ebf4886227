"""Exit code 0 if a URL answers with success, for a container's health check: ``python -m …healthy URL``.

With ``--restart FILE`` what fails for long is ended (see ``restart``), unless ``--unless-lost URL`` fails too: a worker
that waits for its server is not helped by a restart.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
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
        is_hung = error and not (options.unless_lost and _error(options.unless_lost))
        (restart.failed if is_hung else restart.well)(options.restart)
    if error:
        raise SystemExit(f"{options.url}: {error}")


def _error(url: str) -> OSError | None:
    """Ask without any proxy."""
    try:
        build_opener(ProxyHandler({})).open(url, timeout=TIMEOUT_SECONDS).close()
    except OSError as error:
        return error
    return None


if __name__ == "__main__":
    main()
