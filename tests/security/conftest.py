"""Runs whose every secret is a canary, against a Postgres that asks for the password and a server of their own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy.engine import make_url

from blocks.embedded_postgres import start_postgres, stop_postgres
from deployments.tlc_site.faults import Answer
from deployments.tlc_site.site import TripSite
from tests.security.remains import of_api, of_duckdb, of_files, of_postgres, of_sqlite
from tests.servers.prefect_process import PrefectServer
from tests.servers.webhook_receiver import WebhookReceiver

# Each has a part before and one after what a URL, a shell, SQL, JSON or a file of passwords may end at.
SPECIAL = "@:/?#[]%&= +'\"\\$`{}|<>^~;,!*()é"
PASSWORD = f"pw-canary-8c2e{SPECIAL}end-canary-f71a"
WRONG_PASSWORD = f"wrong-canary-51d0{SPECIAL}wrong-end-canary-9d3b"
SIGNATURE = "sig-canary-77ab"
LOGIN = "login-canary-0e6d"


@dataclass
class Left:
    """What the runs left, and what they said; ``canaries`` is what must be in none of it."""

    canaries: dict[str, str]
    database: Path
    query: Callable[[str], list[tuple]]
    found: list[tuple[str, bytes]]


@pytest.fixture(scope="session")
def guarded_postgres() -> Iterator[str]:
    """The URL of a Postgres that lets its user in by password only; the password is a canary."""
    with tempfile.TemporaryDirectory(prefix="tlc-test-") as folder:
        url = start_postgres(Path(folder) / "pg")
        with psycopg2.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("create role loader login superuser password %s", (PASSWORD,))
            cursor.execute("show hba_file")
            rules = Path(cursor.fetchone()[0])
            rules.write_text("local all loader scram-sha-256\n" + rules.read_text())
            cursor.execute("select pg_reload_conf()")
        connection.close()
        yield make_url(url).set(username="loader").render_as_string()
        stop_postgres(Path(folder) / "pg")


def with_password(url: str, password: str) -> str:
    return make_url(url).set(password=password).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service account's key as Google hands it out; it opens nothing."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("secret") / "key.json"
    account = {
        "type": "service_account",
        "project_id": "canary-project",
        "private_key_id": "key-id-canary-3b9f",
        "private_key": key.decode(),
        "client_email": "loader@canary-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "http://127.0.0.1:9/token",
    }
    path.write_text(json.dumps(account))
    return path


@pytest.fixture(scope="session")
def left(
    tlc: Path,
    guarded_postgres: str,
    key_file: Path,
    server: PrefectServer,
    receiver: WebhookReceiver,
    tmp_path_factory: pytest.TempPathFactory,
) -> Left:
    """Successful runs, then such whose password is refused, then such whose source refuses them."""
    folder = tmp_path_factory.mktemp("left")
    with TripSite([tlc / "cdn", tlc / "mirror"]) as site:
        signed = f"{site.url.replace('http://', f'http://{LOGIN}:x@')}?signature={SIGNATURE}"
        environment = {
            "TLC_POSTGRES_URL": with_password(guarded_postgres, PASSWORD),
            "TLC_GCP_SERVICE_ACCOUNT_FILE": str(key_file),
            "TLC_SOURCE_URL": signed,
            "TLC_MIRROR_URL": signed,
            "TLC_ALERT_WEBHOOK_URL": receiver.url,
            "TLC_LOCAL_DIR": str(folder / "local"),
            "TLC_CACHE_DIR": str(folder / "cache"),
            "PREFECT_LOGGING_LEVEL": "DEBUG",
            "PYTHONPATH": ".",
        }
        for path in ("/trip-data/green_tripdata_2021-01.parquet", "/misc/taxi_zone_lookup.csv"):
            site.fail(path, Answer(403), method=None, times=None)
        refusing = with_password(guarded_postgres, WRONG_PASSWORD)
        done = server.run("tests/security/runs.py", refusing, "2020-12", "2023-12", "2021-01", environment=environment)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        outcomes = [
            said.count(word) for word in ("returned LoadReport", "failed: SourceBlocked", "failed: TargetUnavailable")
        ]
        assert outcomes == [3, 2, 1], said
    receiver.wait_for("password authentication failed")
    found = [*of_api(server.api_url)]
    found += [*of_sqlite(server.database), *of_files(server.folder), *of_files(folder)]
    found += of_duckdb(folder / "local" / "warehouse.duckdb")
    query = query_in(with_password(guarded_postgres, PASSWORD))
    found += of_postgres(query)
    found += [("what the runs said", said.encode()), ("alerts", "\n".join(receiver.texts).encode())]
    private_key = json.loads(key_file.read_text())["private_key"]
    canaries = {
        "password": PASSWORD.partition(SPECIAL)[0],
        "password's end": PASSWORD.partition(SPECIAL)[2],
        "refused password": WRONG_PASSWORD.partition(SPECIAL)[0],
        "refused password's end": WRONG_PASSWORD.partition(SPECIAL)[2],
        "signature": SIGNATURE,
        "login at the source": LOGIN,
        "webhook": WebhookReceiver.SECRET.rpartition("/")[2],
        "key's id": "key-id-canary-3b9f",
        "private key": private_key.splitlines()[5],
    }
    return Left(canaries, server.database, query, found)


def query_in(url: str) -> Callable[[str], list[tuple]]:
    def query(statement: str) -> list[tuple]:
        connection = psycopg2.connect(url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()

    return query
