"""What flows do in Postgres, they may do as ``tlc`` of the compose file, who owns neither database nor ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from blocks.embedded_broker import broker_folder, stop_broker
from deployments.containers.roles import arrange
from deployments.tlc_site.site import TripSite
from deployments.tlc_site.synthetic.months import write_parquet
from flows import build_models, load_month, replay_trips, stream_to_postgres
from flows.tlc.dataset import Dataset, Source
from flows.tlc.locations import month_path
from flows.tlc.month import Month
from tests.servers.postgres_process import open_folder, running_postgres
from tests.servers.third_party import programs_path

MONTHS = (Month(2020, 11), Month(2020, 12))


@pytest.fixture
def admin_url(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The superuser's; flows have that of ``tlc``."""
    with open_folder() as folder, running_postgres(folder, programs_path(folder), "tlc", "postgres") as place:
        url = make_url(f"postgresql://{place}")
        arrange(str(url.render_as_string(hide_password=False)), "loading", "reading")
        loader = url.set(username="tlc", password="loading")
        monkeypatch.setenv("TLC_POSTGRES_URL", loader.render_as_string(hide_password=False))
        monkeypatch.setenv("TLC_LAKE_URL", f"file://{folder}/lake")
        yield url.render_as_string(hide_password=False)
        stop_broker(broker_folder())


def put(site: TripSite, month: Month, folder: Path, seed: int = 0) -> int:
    path = folder / f"{month}-{seed}.parquet"
    rows = write_parquet(Dataset.green, month, path, 2_000, seed=seed)
    site.put(month_path(Dataset.green, month, Source.tlc), path.read_bytes())
    return rows


def rows_of(url: str, query: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def test_months_models_and_events_arrive(admin_url: str, site: TripSite, tmp_path: Path) -> None:
    rows = [put(site, month, tmp_path) for month in MONTHS]
    for month in MONTHS:
        assert not load_month("green", str(month), targets=["postgres", "gcs"]).failed
    put(site, MONTHS[0], tmp_path, seed=1)
    assert load_month("green", str(MONTHS[0]), targets=["postgres"]).reports[0].status == "loaded"
    assert build_models(target="postgres").status == "built"
    replay_trips("green", str(MONTHS[1]), limit=100)
    assert stream_to_postgres("tlc.trips.green", until="end").rows_loaded == 100

    reader = make_url(admin_url).set(username="tlc_reader", password="reading").render_as_string(hide_password=False)
    assert rows_of(reader, "select sum(rows_loaded + rows_rejected), count(*) from tlc.loads") == [
        (sum(rows) + rows[0], 3)
    ]
    for table in ("tlc.green_trips", "tlc_staging.trips", "tlc_marts.daily_trips", "tlc_stream.trips", "tlc.zones"):
        assert rows_of(reader, f"select count(*) > 0 from {table}") == [(True,)], table
    assert rows_of(admin_url, "select tableowner from pg_tables where tablename = 'loads'") == [("postgres",)]
