"""The stand-in for the TLC site and its mirror, with months made up on demand; as a process of its own, too.

``python -m deployments.tlc_site.fake_tlc_site --folder DIR --port 8088`` keeps the months that it has made in ``DIR``.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from deployments.tlc_site.site import TripSite, serve_until_ended
from deployments.tlc_site.synthetic.months import generate


def fake_tlc_site(folder: Path, port: int = 0) -> TripSite:
    """A site that has every month that TLC or the mirror has, made up at the first request and kept in ``folder``."""
    return TripSite(generator=lambda path: generate(path, folder), port=port)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted or terminated."""
    parser = argparse.ArgumentParser(prog="python -m deployments.tlc_site.fake_tlc_site", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the months are kept")
    parser.add_argument("--port", type=int, default=8088, help="port on 127.0.0.1; 0 takes a free one")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    serve_until_ended(fake_tlc_site(options.folder, options.port), f"made-up months, kept in {options.folder},")


if __name__ == "__main__":
    main()
