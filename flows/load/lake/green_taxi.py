"""The homework's rows in the lake: one Parquet file a pickup date, replaced as a whole."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from flows.load.lake.manifest import Manifest, ManifestObject
from flows.load.lake.protocol import Lake
from flows.load.lake.publish import Replacement, publish
from flows.load.lake.workspace import workspace
from flows.load.parquet.daily_files import DailyFiles
from flows.load.parquet.fan_out import write_all
from flows.load.parquet.file import described
from flows.tlc.errors import CheckFailed
from flows.tlc.report import LoadReport
from flows.transform.homework import PICKUP_DATE, HomeworkStream

KEY = "green_taxi"
MANIFEST = "manifests/green_taxi.json"
_GROWTH = 4  # bytes on disk for one byte of CSV.gz, at most


def write_green_taxi(
    lake: Lake,
    trips: HomeworkStream,
    report: LoadReport,
    *,
    conform_version: str,
    work_dir: Path,
    source_bytes: int,
    flow_run_id: str | None = None,
) -> str:
    """Put ``trips`` in the place of ``green_taxi/lpep_pickup_date=…/``, whole or not at all; its URL.

    ``report`` is of the load whose rows these are: CheckFailed if there are more or fewer.
    """
    # The date is in the path: a column of the same name in the file would be there twice for Hive readers.
    schema = pa.schema([field for field in trips.schema if field.name != PICKUP_DATE])
    about = {"source_url": report.source_url, "source_etag": report.source_etag, "conform_version": conform_version}
    with workspace(work_dir, source_bytes * _GROWTH) as folder:
        days = DailyFiles(folder, described(schema, about), PICKUP_DATE, _day_object, drop_pickup=True)
        write_all(trips, [days])
        files = days.finish()
        rows = sum(file.rows for file in files)
        if rows != report.rows_loaded:
            raise CheckFailed(f"the files for the lake have {rows:,} rows, Postgres has {report.rows_loaded:,}.")

        def describe(objects: list[ManifestObject]) -> Manifest:
            return Manifest(
                report=report,
                content_key=hashlib.sha256(f"{report.source_etag} {conform_version}".encode()).hexdigest()[:16],
                conform_version=conform_version,
                columns=schema.names,
                objects=objects,
                rows_by_day=trips.days.by_day,
                flow_run_id=flow_run_id,
                written_at=datetime.now(UTC),
            )

        publish(Replacement(lake, KEY, MANIFEST, files, stays=lambda _manifest: False, describe=describe))
    return lake.url_of(KEY)


def _day_object(day: date) -> str:
    return f"{KEY}/{PICKUP_DATE}={day.isoformat()}/{KEY}.parquet"
