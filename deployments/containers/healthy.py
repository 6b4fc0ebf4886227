"""Exit code 0 if a URL answers with success, for a container's health check: ``python -m …healthy URL``."""

from __future__ import annotations

import sys
from urllib.request import ProxyHandler, build_opener

TIMEOUT_SECONDS = 5


def main(url: str) -> None:
    """Ask once, without any proxy; exits with the error if there is one."""
    try:
        build_opener(ProxyHandler({})).open(url, timeout=TIMEOUT_SECONDS).close()
    except OSError as error:
        raise SystemExit(f"{url}: {error}") from None


if __name__ == "__main__":
    main(sys.argv[1])
