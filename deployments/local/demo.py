"""``make demo``: months of every dataset from a local stand-in of the TLC site into an embedded Postgres.

With ``--stream``, one of them as events. With other arguments, a command of ``python -m flows`` on what the demo
loaded: ``python -m deployments.local.demo status``.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from blocks.postgres_access import PostgresFailed
from blocks.settings import Settings, make_private
from deployments.local.environment import demo_folder, keep_private, use_local_environment
from deployments.local.login import login_environment
from deployments.local.prefect_database import start_prefect_database
from deployments.local.process import Processes
from deployments.local.services import SERVER, SITE, api_url, site_url
from deployments.tlc_site.fake_tlc_site import fake_tlc_site

# Commands whose runs the UI shows.
_RUN_FLOWS = ("load", "backfill", "sync", "reconcile", "models", "report")
STREAM = ["--stream"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Set the environment, then run: Prefect reads it when it is imported."""
    command = list(sys.argv[1:] if arguments is None else arguments)
    folder = Settings().local_dir.absolute()
    make_private(folder)
    try:
        with demo_environment(folder, keeps_runs=command in ([], STREAM) or command[0] in _RUN_FLOWS):
            if command and command != STREAM:
                _run(command)
            else:
                os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"
                steps = "demo_stream" if command else "demo_steps"
                importlib.import_module(f"deployments.local.{steps}").run()
    except PostgresFailed as failure:
        raise SystemExit(str(failure)) from None


def _run(command: list[str]) -> None:
    if command[0] in _RUN_FLOWS and "PREFECT_API_URL" not in os.environ:
        importlib.import_module("blocks.register").register_blocks()  # the saved ones name the stand-in of another time
    importlib.import_module("flows.cli.app").main(command)


@contextmanager
def demo_environment(folder: Path, *, keeps_runs: bool) -> Iterator[None]:
    """The data, Prefect's database and the stand-in of ``make up DEMO=1`` in ``folder``, whether that runs or not.

    Without ``keeps_runs`` Prefect's database is left out if that does not run: then blocks are made from the
    environment, and no server has to start.
    """
    processes = Processes(folder)
    demo = demo_folder(folder)
    use_local_environment(demo)
    keep_private(demo)
    server, site = processes.running(SERVER), processes.running(SITE)
    if server and server.listens() and site and site.listens():
        os.environ |= {"PREFECT_API_URL": api_url(server)} | login_environment(folder) | _sources(site_url(site))
        yield
        return
    if keeps_runs:
        os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = start_prefect_database(demo)
    with fake_tlc_site(Settings().local_dir / "site") as started:
        os.environ |= _sources(started.url)
        yield


def _sources(url: str) -> dict[str, str]:
    return {"TLC_SOURCE_URL": url, "TLC_MIRROR_URL": url}


if __name__ == "__main__":
    main()
