"""``make connect``: let DBeaver, Metabase and other programs read the embedded Postgres, at a port of this machine.

It keeps that port, and the role its password, at every later start.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psycopg2
from filelock import FileLock

from blocks.embedded_postgres import postgres_folder, postgres_process, start_postgres, stop_postgres
from blocks.postgres_access import PostgresFailed
from blocks.postgres_reader import DATABASE, HOST, ROLE, Reader, note_reader, noted_reader
from blocks.postgres_server import listening_port
from blocks.settings import Settings, make_private
from deployments.local.environment import demo_folder
from deployments.local.ports import choose_port, port_number
from deployments.local.process import Processes
from deployments.local.services import SITE
from deployments.postgres_roles import make_reader

# 5432 is that of a Postgres of the user's own.
USUAL_PORT = 5433
_NOT_FREE = "Port {} is not free: choose another one with make connect PORT=…"


def main(arguments: Sequence[str] | None = None) -> None:
    """Open the port unless it is open, and print what to enter in the program."""
    parser = argparse.ArgumentParser(prog="python -m deployments.local.connect", description=__doc__)
    parser.add_argument("--port", type=port_number, help=f"by default {USUAL_PORT}, or another one if that is taken")
    parser.add_argument("--demo", action="store_true", help="the demo's database, if the other one runs too")
    options = parser.parse_args(arguments)
    folder = Settings().local_dir.absolute()
    make_private(folder)
    try:
        with FileLock(folder / "up.lock"):
            print(_form(open_port(_running(folder, demo=options.demo), options.port)))  # noqa: T201
    except PostgresFailed as failure:
        raise SystemExit(str(failure)) from None


def open_port(server: Path, wanted: int | None) -> Reader:
    """The reader of the server with its data in ``server``, which is started anew unless it listens at that port."""
    url = start_postgres(server)
    listening, noted = listening_port(server), noted_reader(server)
    port = wanted or listening or (noted.port if noted else USUAL_PORT)
    if port != listening:
        port = choose_port(port)
        if wanted not in (None, port):
            raise SystemExit(_NOT_FREE.format(wanted))
        _end_only_if_unused(url)
    reader = note_reader(server, port)
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        make_reader(cursor, reader.password)
    if port != listening:
        stop_postgres(server)
        start_postgres(server)
    if listening_port(server) != port:
        raise SystemExit(_NOT_FREE.format(port))
    return reader


def port_in_words(server: Path) -> str:
    """Where other programs reach the server with its data in ``server``, which runs; nothing if nobody has asked."""
    noted = noted_reader(server)
    if noted is None:
        return ""
    return f"{HOST}:{noted.port}" if listening_port(server) else f"port {noted.port} is taken"


def _running(folder: Path, *, demo: bool) -> Path:
    """The data of the server that runs; of two, the one of the platform, or the demo's if that is wanted."""
    demo_first = demo or Processes(folder).note(SITE) is not None
    places = [demo_folder(folder), folder] if demo_first else [folder, demo_folder(folder)]
    running = next(filter(postgres_process, map(postgres_folder, places[:1] if demo else places)), None)
    if running is None:
        raise SystemExit("No embedded Postgres runs here: make up or make demo starts one.")
    return running


def _end_only_if_unused(url: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select coalesce(nullif(application_name, ''), usename, '?') from pg_stat_activity "
            "where backend_type = 'client backend' and pid <> pg_backend_pid() order by 1"
        )
        others = [name for (name,) in cursor]
    if others:
        raise SystemExit(
            "The port needs a restart of Postgres, which would end what uses it now "
            f"({', '.join(others)}). Run it again when that is over."
        )


def _form(reader: Reader) -> str:
    return f"""Host      {HOST}
Port      {reader.port}
Database  {DATABASE}
User      {ROLE}
Password  {reader.password}

As a URL  {reader.url}"""


if __name__ == "__main__":
    main()
