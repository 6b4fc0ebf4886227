"""``make up``: the whole platform on this machine, without Docker. Returns when a run can be started.

Running services are left alone; those that died, or run with other settings, are started. See docs/laptop.md.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from blocks.embedded_postgres import PostgresFailed, embedded_socket, postgres_folder, start_postgres
from blocks.settings import Settings, make_private
from blocks.warehouse_url import duckdb_path, warehouse_url
from deployments.local.connect import port_in_words
from deployments.local.environment import demo_folder, keep_private, platform_environment
from deployments.local.login import ensure_login, login_file, read_login
from deployments.local.ports import port_number
from deployments.local.process import Processes
from deployments.local.services import SITE, WORKER_RUNS, ServiceFailed, Services
from flows.tlc.urls import plain_url

PREFECT_PORT = 4200
TARGETS = ("TLC_POSTGRES_URL", "TLC_LAKE_URL", "TLC_WAREHOUSE_URL")


def main(arguments: Sequence[str] | None = None) -> None:
    """Bring the platform up and say what to do next."""
    parser = argparse.ArgumentParser(prog="python -m deployments.local.up", description=__doc__)
    parser.add_argument(
        "--port", type=port_number, default=PREFECT_PORT, help="of the UI; another one if that is taken"
    )
    parser.add_argument("--demo", action="store_true", help="months come from a stand-in for the TLC site on loopback")
    parser.add_argument("--no-auth", action="store_true", help="let Prefect's server ask nobody for a login")
    options = parser.parse_args(arguments)
    folder = Settings().local_dir.absolute()
    keep_private(folder)
    try:
        with FileLock(folder / "up.lock", timeout=0):
            bring_up(folder, options.port, demo=options.demo, auth=not options.no_auth)
    except Timeout:
        raise SystemExit("Another make up or make down is at work here. Wait for it.") from None
    except (ServiceFailed, PostgresFailed) as failure:
        raise SystemExit(str(failure)) from None


def bring_up(folder: Path, port: int, *, demo: bool, auth: bool) -> None:
    """Start what does not run, apply what the checkout says, and wait until it is usable."""
    started = time.monotonic()
    processes = Processes(folder)
    demo = demo or processes.note(SITE) is not None  # a demo remains one until make down
    data = demo_folder(folder) if demo else folder
    make_private(data)
    os.environ["TLC_LOCAL_DIR"] = str(data)
    for name in TARGETS if demo else ():
        os.environ.pop(name, None)  # made-up months replace no real ones
    is_new = _choose_login(folder, auth=auth)
    services = Services(processes, data, lambda url: platform_environment(folder, url, data))
    _say("Starting what does not run: Prefect's server, Postgres, a worker (the first time: a minute) …")
    api = services.ensure_server(port, meanwhile=lambda: _start_the_others(services, data, demo=demo))
    os.environ |= platform_environment(folder, api, data)
    for line in _apply(services, api):
        _say(f"  {line}")
    _say(what_next(api, folder, time.monotonic() - started, show_login=is_new))


def _choose_login(folder: Path, *, auth: bool) -> bool:
    """Have Prefect's server ask for a login, or for none; whether there is a new one."""
    if auth:
        return ensure_login(folder)
    login_file(folder).unlink(missing_ok=True)
    _say(
        "WARNING: without a login, every user of this machine, and what your browser opens, can read the secrets of "
        "Prefect's server and run commands as you."
    )
    return False


def _start_the_others(services: Services, data: Path, *, demo: bool) -> None:
    """The stand-in and Postgres: Prefect's server takes longer than both."""
    if demo:
        site = services.ensure_site(data / "site")
        os.environ |= {"TLC_SOURCE_URL": site, "TLC_MIRROR_URL": site}
        # numpy and Arrow take half a second, which only a demo needs.
        months = importlib.import_module("deployments.tlc_site.synthetic.months")
        _say(f"  source: {months.months_sentence()}")
    if Settings().postgres_url is None:
        start_postgres()


def _apply(services: Services, api: str) -> Iterator[str]:
    """Blocks, work pool, worker, limits and deployments; a line for each."""
    # Imported now that the environment is set: Prefect reads it when it is imported.
    applying = importlib.import_module("deployments.server.apply")
    pool = applying.ensure_work_pool()
    worker = services.ensure_worker(api, pool)
    log = services.processes.log_file("deploy")
    try:
        yield from applying.apply(log=log, own_server=True)
    except subprocess.CalledProcessError:
        raise ServiceFailed(f"prefect deploy failed, and says why at the end of {log}.") from None
    services.wait_for_worker(worker, api, pool)
    yield f"worker: {WORKER_RUNS} runs at once"


def what_next(api: str, folder: Path, seconds: float, *, show_login: bool = False) -> str:
    """What a user may do now, for the terminal; ``show_login`` once, when it is new."""
    settings = Settings()
    login, file = read_login(folder), login_file(folder)
    says = f"\n  login    {login if show_login else f'in {file}'}" if login else ""
    gives = f' PREFECT_API_AUTH_STRING="$(cat {shlex.quote(str(file))})"' if login else ""
    prefect = shlex.quote(str(Path(sys.executable).with_name("prefect")))
    python = shlex.quote(sys.executable)
    question = '"select dataset, month, rows_loaded from tlc.loads"'
    return f"""Ready after {seconds:.0f} s.

  UI       {api.removesuffix("/api")}{says}
  source   {plain_url(settings.source_url)}
  data     {settings.local_dir}
  logs     {folder / "log"}

Start a run in the UI (Deployments → ⋮ → Custom run), or here:

  export PREFECT_API_URL={api}{gives}
  {prefect} deployment run api-to-postgres/api-to-postgres --param dataset=green --param month=2024-05 --watch

Ask what is loaded (or with --target warehouse or lake):

  {python} -m flows query {question}{_clients()}

make status says what runs; make down ends it, and keeps the data."""


def _clients() -> str:
    """How other programs connect to what is on this machine; nothing for databases elsewhere."""
    lines = []
    if Settings().postgres_url is None and (socket := embedded_socket()):
        lines.append(f"psql {shlex.quote(f'postgresql://postgres:@/postgres?host={socket}')}")
        where = port_in_words(postgres_folder())
        lines.append("make connect      lets DBeaver, Metabase and others read it" + (f" ({where})" if where else ""))
    if (file := duckdb_path(warehouse_url())) is not None:
        lines.append(f"duckdb -readonly {shlex.quote(str(file))}")
    return "".join(f"\n  {line}" for line in lines)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
