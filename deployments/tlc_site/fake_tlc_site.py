"""The stand-in for the TLC site and its mirror, with months made up on demand; as a process of its own, too.

``python -m deployments.local.stand_in --folder DIR --port 8088`` keeps the months that it has made below ``DIR``.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from deployments.local.months import generate
from deployments.local.site import TripSite, serve_until_ended


def stand_in_site(folder: Path, port: int = 0) -> TripSite:
    """A site that has every month that TLC or the mirror has, made up at the first request and kept in ``folder``."""
    return TripSite(generator=lambda path: generate(path, folder), port=port)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted or terminated."""
    parser = argparse.ArgumentParser(prog="python -m deployments.local.stand_in", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the months are kept")
    parser.add_argument("--port", type=int, default=8088, help="port on 127.0.0.1; 0 takes a free one")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    serve_until_ended(stand_in_site(options.folder, options.port), f"made-up months, kept in {options.folder},")


if __name__ == "__main__":
    main()
