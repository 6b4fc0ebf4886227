"""Months in each system without Prefect, and what their control sums have to be, by another way than the project's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from flows.extract.read.trip_file import open_trip_file
from flows.load.lake import month as lake_month
from flows.load.lake.folder import FolderLake
from flows.load.lake.gcs import GcsLake
from flows.load.lake.protocol import Lake
from flows.load.month_load import MonthLoad
from flows.load.postgres import month as postgres
from flows.load.rejected_spill import rejected_spill
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.tlc.totals import Totals
from flows.transform.conform import plan_conform
from flows.transform.stream import TripStream
from tests.servers.gcs import FakeGcs

MONTHS = ("2020-12", "2023-12")


def real(tlc: Path, month: str) -> Path:
    return tlc / f"cdn/trip-data/green_tripdata_{month}.parquet"


def expected_totals(file: Path, amount: str = "total_amount", distance: str = "trip_distance") -> Totals:
    """What numpy makes of a green file."""
    table = pq.read_table(file)
    pickups = table["lpep_pickup_datetime"].to_numpy().astype("datetime64[us]")
    return Totals(
        len(pickups),
        float(np.nansum(table[amount].to_numpy())),
        float(np.nansum(table[distance].to_numpy())),
        pickups.min().item(),
        pickups.max().item(),
    )


def stream_of(opened: ExitStack, file: Path, request: MonthRequest) -> tuple[TripStream, object]:
    trip_file = opened.enter_context(open_trip_file(file))
    rejected = opened.enter_context(rejected_spill())
    conformer = plan_conform(schema_of(request.dataset), request.month, trip_file.column_names)
    return TripStream(trip_file, conformer, rejected.write, request.drop_rules), rejected


@pytest.fixture
def into_postgres(database) -> Callable[..., None]:
    def load(file: Path, dataset: str, month: str) -> None:
        request = MonthRequest(Dataset(dataset), Month.parse(month))
        with ExitStack() as opened:
            trips, rejected = stream_of(opened, file, request)
            connection = database.connect()
            opened.callback(connection.close)
            source = MonthLoad(request, "postgres", f"http://source/{file.name}", "v1")
            postgres.load_month(connection, source, trips, rejected)

    return load


@pytest.fixture
def into_lake(tmp_path: Path) -> Callable[..., None]:
    def load(lake: Lake, file: Path, dataset: str, month: str, **options) -> None:
        request = MonthRequest(Dataset(dataset), Month.parse(month))
        with ExitStack() as opened:
            trips, rejected = stream_of(opened, file, request)
            lake_month.load_month(
                lake,
                MonthLoad(request, "gcs", f"http://source/{file.name}", "v1"),
                trips,
                rejected,
                work_dir=tmp_path / "work",
                source_bytes=file.stat().st_size,
                **options,
            )

    return load


@pytest.fixture(params=["folder", "fake-gcs"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lake]:
    if request.param == "folder":
        yield FolderLake(tmp_path / "lake")
        return
    with FakeGcs(tmp_path / "server", "lake") as server:
        yield GcsLake(server.client().bucket("lake"), "some/where")
