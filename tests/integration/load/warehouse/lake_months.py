"""Months in a lake for the warehouse's tests: conformed for real, written as Parquet, with their manifest."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import google_crc32c
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deployments.tlc_site.synthetic.months import write_parquet
from flows.extract.read.trip_file import open_trip_file
from flows.load.lake.manifest import Manifest, ManifestObject
from flows.load.lake.protocol import LakeObject
from flows.load.month_load import MonthLoad
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import Layout, lake_day_object, lake_object
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.transform.conform import plan_conform
from flows.transform.stream import Counts, TripStream

Put = Callable[[str, bytes], int | None]


@dataclass
class WrittenLake:
    """A lake as a test wrote it. ``put`` stores an object by name and gives its generation, if it has one."""

    url: str
    put: Put
    manifests: dict[tuple[Dataset, Month], Manifest] = field(default_factory=dict)
    objects: dict[str, LakeObject] = field(default_factory=dict)

    def read_manifest(self, dataset: Dataset, month: Month) -> Manifest | None:
        return self.manifests.get((dataset, month))

    def find(self, name: str) -> LakeObject | None:
        return self.objects.get(name)

    def write(
        self,
        dataset: str,
        month: str,
        file: Path,
        *,
        etag: str = "v1",
        layouts: Collection[Layout] = ("unpartitioned",),
        rows: int | None = None,
        change: Callable[[pa.Table], pa.Table] = lambda trips: trips,
        new_columns: str = "fail",
        drop_rules: Collection[str] = (),
    ) -> Manifest:
        """Put a raw file's month there, or its first ``rows``, in these layouts, after a test's ``change``."""
        request = MonthRequest(
            Dataset(dataset),
            Month.parse(month),
            drop_rules=frozenset(drop_rules),
            new_columns=new_columns,  # type: ignore[arg-type]
        )
        trips, counts = conformed(request, file, rows)
        trips = change(trips)
        load = MonthLoad(request, "gcs", f"https://source/{file.name}", etag)
        manifest = Manifest(
            report=load.report(counts),
            content_key=load.content_key,
            conform_version=request.conform_version,
            columns=trips.column_names,
            objects=[item for layout in layouts for item in self._objects(request, trips, layout)],
            written_at=datetime.now(UTC),
        )
        self.manifests[request.dataset, request.month] = manifest
        return manifest

    def _objects(self, request: MonthRequest, trips: pa.Table, layout: Layout) -> list[ManifestObject]:
        if layout == "unpartitioned":
            return [self._object(layout, lake_object(request.dataset, request.month), trips)]
        pickup = schema_of(request.dataset).role("pickup")
        days = pc.cast(trips[pickup.name], pa.date32(), safe=False)
        return [
            self._object(
                layout, lake_day_object(request.dataset, request.month, day), trips.filter(pc.equal(days, day))
            )
            for day in sorted(days.unique().to_pylist())
        ]

    def _object(self, layout: Layout, name: str, trips: pa.Table) -> ManifestObject:
        file = io.BytesIO()
        pq.write_table(trips, file, compression="zstd")
        content = file.getvalue()
        crc32c = b64encode(google_crc32c.Checksum(content).digest()).decode()
        generation = self.put(name, content)
        self.objects[name] = LakeObject(name, len(content), crc32c, generation)
        return ManifestObject(
            layout=layout, name=name, rows=trips.num_rows, bytes=len(content), crc32c=crc32c, generation=generation
        )


def conformed(request: MonthRequest, file: Path, rows: int | None = None) -> tuple[pa.Table, Counts]:
    """The trips of a raw file as every target gets them, and their counts; ``rows`` takes the first ones only."""
    with open_trip_file(file) as opened:
        conformer = plan_conform(
            schema_of(request.dataset), request.month, opened.column_names, new_columns=request.new_columns
        )
        stream = TripStream(opened, conformer, on_rejected=lambda _: None)
        trips = pa.Table.from_batches(list(stream), stream.schema).slice(0, rows)
    counts = stream.counts
    if rows is not None:
        counts = Counts(rows_read=trips.num_rows, rows_loaded=trips.num_rows)
    return trips, counts


def made_month(folder: Path, dataset: str, month: str, rows: int = 500, seed: int = 0) -> Path:
    """A raw month of so many made-up rows, as TLC would publish it."""
    path = folder / f"{dataset}_tripdata_{month}_{rows}_{seed}.parquet"
    if not path.exists():
        write_parquet(Dataset(dataset), Month.parse(month), path, rows, seed=seed)
    return path


def folder_put(folder: Path) -> Put:
    """Objects as files of a folder."""

    def put(name: str, content: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return put


class Bucket(dict[tuple[str, str], bytes]):
    """Objects by bucket and name, as the BigQuery stand-in finds them; ``reads`` lists what it read."""

    def __init__(self) -> None:
        super().__init__()
        self.generation = 0

    def put(self, name: str, content: bytes) -> int:
        self.generation += 1
        self["lake", name] = content
        return self.generation

    def read(self, bucket: str, name: str) -> bytes:
        return self[bucket, name]

    def list(self, bucket: str, prefix: str) -> list[str]:
        return sorted(name for where, name in self if where == bucket and name.startswith(prefix))
