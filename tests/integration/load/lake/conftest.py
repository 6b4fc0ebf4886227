"""Lakes of both kinds, empty, and what loads months into them without Prefect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from deployments.tlc_site.synthetic.months import make_month
from flows.extract.read.trip_file import open_trip_file
from flows.load.crc32c import crc32c_of
from flows.load.lake.folder import FolderLake
from flows.load.lake.gcs import RETRY, GcsLake
from flows.load.lake.manifest import Manifest
from flows.load.lake.month import LAYOUTS, current_load, load_month
from flows.load.lake.protocol import TEMPORARY, Lake
from flows.load.month_load import MonthLoad
from flows.load.rejected_spill import rejected_spill
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.month import Month
from flows.tlc.report import LoadReport
from flows.tlc.schema import schema_of
from flows.transform.conform import plan_conform
from flows.transform.stream import TripStream
from tests.servers.gcs import GcsWire

GREEN = MonthRequest(Dataset.green, Month(2023, 12))
SWIFT = RETRY.with_delay(initial=0.01, maximum=0.02).with_timeout(5)


@dataclass(frozen=True)
class Loader:
    """Loads a source file into one lake, as the task does."""

    lake: Lake
    work_dir: Path

    def __call__(
        self,
        source: Path,
        etag: str = "v1",
        request: MonthRequest = GREEN,
        *,
        source_url: str | None = None,
        started_at: datetime | None = None,
        **options,
    ) -> LoadReport:
        with open_trip_file(source) as trip_file, rejected_spill() as rejected:
            conformer = plan_conform(schema_of(request.dataset), request.month, trip_file.column_names)
            trips = TripStream(trip_file, conformer, rejected.write, request.drop_rules)
            load = MonthLoad(
                request,
                "gcs",
                source_url or f"http://source/{source.name}",
                etag,
                started_at=started_at or datetime.now(UTC),
            )
            return load_month(
                self.lake,
                load,
                trips,
                rejected,
                work_dir=self.work_dir,
                source_bytes=source.stat().st_size,
                **options,
            )

    def find(self, etag: str = "v1", request: MonthRequest = GREEN, layouts=LAYOUTS) -> LoadReport | None:
        return current_load(self.lake, request, etag, layouts)

    def into(self, lake: Lake) -> Loader:
        return replace(self, lake=lake)

    def manifest(self, request: MonthRequest = GREEN) -> Manifest:
        manifest = self.lake.read_manifest(request.dataset, request.month)
        assert manifest is not None
        return manifest

    def names(self) -> list[str]:
        return [item.name for item in self.lake.list("")]

    def table(self, layout: str = "unpartitioned", request: MonthRequest = GREEN) -> pa.Table:
        """What the manifest says the month is, in one layout, read back."""
        items = self.manifest(request).of_layout(layout)
        return pa.concat_tables(read_table(self.lake, item.name) for item in items)


def read_table(lake: Lake, name: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(lake.read(name)))


def assert_true(lake: Lake, request: MonthRequest = GREEN) -> Manifest:
    """Every object that the manifest names is there, to the byte and of that generation."""
    manifest = lake.read_manifest(request.dataset, request.month)
    assert manifest is not None
    for item in [*manifest.objects, *([manifest.rejected] if manifest.rejected else [])]:
        found = lake.read_current(item.name)
        assert found is not None, f"{item.name} is gone"
        assert (len(found[0]), crc32c_of(found[0]), found[1]) == (item.bytes, item.crc32c, item.generation), item.name
    return manifest


def assert_tidy(lake: Lake, request: MonthRequest = GREEN) -> None:
    """The lake has what the manifest names and nothing else."""
    manifest = assert_true(lake, request)
    named = {item.name for item in (*manifest.objects, *((manifest.rejected,) if manifest.rejected else ()))}
    assert not any(name.startswith(TEMPORARY) for name in named)
    assert {item.name for item in lake.list("")} == named | {f"manifests/{request.dataset}/{request.month}.json"}


@pytest.fixture
def wire() -> Iterator[GcsWire]:
    with GcsWire("lake") as server:
        yield server


def gcs_lake(wire: GcsWire, **options) -> GcsLake:
    options = {"retry": SWIFT, "timeout": (1.0, 5.0), "takeover_seconds": 0.5} | options
    return GcsLake(wire.client().bucket("lake"), "some/where", **options)


@pytest.fixture(params=["folder", "gcs"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """The same tests hold for both kinds."""
    if request.param == "folder":
        return FolderLake(tmp_path / "lake")
    return gcs_lake(request.getfixturevalue("wire"))


@pytest.fixture
def loader(lake: Lake, tmp_path: Path) -> Loader:
    return Loader(lake, tmp_path / "work")


@pytest.fixture(scope="session")
def days_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Green trips of 2023-12, on these days only, as the source publishes them."""
    month = make_month(Dataset.green, GREEN.month, 3_000, anomalies=False)
    folder = tmp_path_factory.mktemp("days")

    def write(*days: int) -> Path:
        path = folder / f"{'-'.join(map(str, days))}.parquet"
        if not path.exists():
            wanted = pc.is_in(pc.day(month["lpep_pickup_datetime"]), value_set=pa.array(days, pa.int64()))
            pq.write_table(month.filter(wanted), path)
        return path

    return write
