"""Serve the metrics: ``python -m deployments.metrics``, as a client of the server that ``PREFECT_API_URL`` names."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from importlib.metadata import version

from prefect.settings import get_current_settings
from prometheus_client import CollectorRegistry, start_http_server

from deployments.metrics.collector import PartsCollector
from deployments.metrics.parts import PARTS
from deployments.metrics.samples import BUILD_INFO
from deployments.server.deploy_steps import PACKAGE


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until it is ended."""
    parser = argparse.ArgumentParser(prog="python -m deployments.metrics", description=__doc__)
    parser.add_argument("--port", type=int, default=9464)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: %(default)s)")
    given = parser.parse_args(arguments)
    if not get_current_settings().api.url:
        raise SystemExit("PREFECT_API_URL is not set: give the URL of the Prefect server whose runs are watched.")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    registry = CollectorRegistry()
    build = BUILD_INFO.sample(1, version(PACKAGE), version("prefect"))
    registry.register(PartsCollector(PARTS, [build]))
    server, thread = start_http_server(given.port, given.host, registry)
    print(f"http://{given.host}:{server.server_port}/metrics", flush=True)  # noqa: T201 - the command's output
    thread.join()


if __name__ == "__main__":
    main()
