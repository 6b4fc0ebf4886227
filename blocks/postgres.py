"""From a Postgres URL to the block that holds it, and from the block to a connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import sqlalchemy
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from blocks.embedded_postgres import embedded_socket, start_postgres
from flows.tlc.errors import ParameterError

# A server that is gone, or takes nothing more of what it is sent, is noticed within three minutes: TCP alone would wait
# for a quarter of an hour, for hours, or for ever.
CONNECT_ARGS = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 6,
    "tcp_user_timeout": 180_000,  # ms; if the system has it, instead of the number of keepalives
    "application_name": "nyc-taxi-flows",
}
READ_ONLY = "-c default_transaction_read_only=on"
_NO_URL = (
    "TLC_POSTGRES_URL is no URL: write postgresql://user:password@host:port/database, and in user and password "
    "%40 for @, %25 for %, %3A for : and %2F for /."
)
_LINE_ENDS = "\0\r\n"
# libpq's parameters, and the variables that it and every program on it takes them from.
_LIBPQ = {
    "host": "PGHOST",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "require_auth": "PGREQUIREAUTH",
    "hostaddr": "PGHOSTADDR",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "options": "PGOPTIONS",
    "gssencmode": "PGGSSENCMODE",
    "channel_binding": "PGCHANNELBINDING",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


def postgres_connector(url: str) -> SqlAlchemyConnector:
    """The block for a ``postgresql://`` URL. Its parts are kept apart, so that no repr shows the password.

    Raises ParameterError, which does not show it either, if the URL has no such parts.
    """
    parts = _parts(url)
    query = {key: value if isinstance(value, str) else value[-1] for key, value in parts.query.items()}
    user, password = query.pop("user", None), query.pop("password", None)  # libpq's other place for them
    user, password = parts.username or user, parts.password or password
    if set(_LINE_ENDS) & set(f"{user}{password}"):
        raise ParameterError("TLC_POSTGRES_URL: user and password can have no line break, as in libpq's password file.")
    return SqlAlchemyConnector(
        connection_info=ConnectionComponents(
            driver=SyncDriver.POSTGRESQL_PSYCOPG2,
            username=user,
            password=password,
            host=parts.host,
            port=parts.port,
            database=parts.database,
            query=query or None,
        ),
        connect_args={name: value for name, value in CONNECT_ARGS.items() if name not in query},
    )


def _parts(url: str) -> URL:
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):  # whose text may have a part of the password
        raise ParameterError(_NO_URL) from None
    if "@" in (parts.host or ""):  # it, and what follows it, would be shown as the host
        raise ParameterError(_NO_URL)
    return parts


@contextmanager
def postgres_connection(connector: SqlAlchemyConnector) -> Iterator[Any]:
    """A psycopg2 connection of the block's server, closed at the end; the embedded server is started if need be."""
    _ensure_started(connector)
    engine = connector.get_engine(poolclass=NullPool)
    try:
        pooled = engine.raw_connection()
    except sqlalchemy.exc.DBAPIError as error:
        raise (error.orig or error) from None  # psycopg2's own: SQLAlchemy only wraps it
    try:
        yield pooled.driver_connection
    finally:
        pooled.close()
        engine.dispose()


def read_only_uri(connector: SqlAlchemyConnector) -> str:
    """The block's server as a URI for libpq, of sessions that can only read. It may hold a password: show it nowhere.

    The embedded server is started if need be.
    """
    _ensure_started(connector)
    url = connector.get_engine(poolclass=NullPool).url
    query = {key: value if isinstance(value, str) else value[-1] for key, value in url.query.items()}
    given = url.translate_connect_args(username="user", database="dbname") | query | (connector.connect_args or {})
    given["options"] = f"{given.get('options', '')} {READ_ONLY}".strip()
    # libpq takes a plus sign for itself, not for a blank.
    return f"postgresql:///?{urlencode(given, quote_via=quote, safe='')}"


def libpq_variables(connection: Any) -> dict[str, str]:
    """The variables by which programs on libpq find the server and database of a psycopg2 connection; no password."""
    parameters = connection.info.dsn_parameters
    return {_LIBPQ[name]: str(value) for name, value in parameters.items() if name in _LIBPQ}


def _ensure_started(connector: SqlAlchemyConnector) -> None:
    """Start the embedded server if the block is of that one."""
    info, embedded = connector.connection_info, embedded_socket()
    if embedded and isinstance(info, ConnectionComponents) and (info.query or {}).get("host") == embedded:
        start_postgres()
