"""The web server, in a process of its own: prints its URL, then answers each line with the requests since the last."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from deployments.tlc_site.site import TripSite
from deployments.tlc_site.synthetic.zones import zone_lookup
from flows.tlc.locations import ZONES_PATH


def main(folder: str) -> None:
    """Serve until standard input ends."""
    with TripSite([Path(folder)]) as site:
        site.put(f"/{ZONES_PATH.lstrip('/')}", zone_lookup())
        print(site.url, flush=True)
        for _ in sys.stdin:
            print(json.dumps([asdict(request) for request in site.requests]), flush=True)
            site.forget_requests()


if __name__ == "__main__":
    main(*sys.argv[1:])
