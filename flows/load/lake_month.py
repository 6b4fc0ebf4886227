"""Load a month into the lake: encode every layout in one pass over the rows, then put the version in place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from flows.load.lake import TEMPORARY, Lake
from flows.load.lake_clear import clear_temporary, has_leftovers
from flows.load.lake_publish import Replacement, publish, standing
from flows.load.lake_workspace import workspace
from flows.load.manifest import Manifest, ManifestObject
from flows.load.month_load import MonthLoad
from flows.load.parquet_days import DayFiles
from flows.load.parquet_file import ParquetFile, RowGroups, described
from flows.load.parquet_lanes import write_all
from flows.load.rejected_spill import RejectedSpill
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetError
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import (
    LAYOUTS,
    Layout,
    lake_day_object,
    lake_object,
    manifest_folder,
    manifest_object,
    month_of_manifest,
    rejected_object,
)
from flows.tlc.plan import Standing
from flows.tlc.report import LoadReport
from flows.transform.rejected import REJECTED_SCHEMA
from flows.transform.stream import TripStream

# Bytes on disk of one layout, for one byte of the source's file: 1.2 of Parquet and 1.1 of CSV.gz were measured.
_GROWTH = 2
# Manifests read at once: some kB each, and on Cloud Storage 50 ms.
_READS = 16


def find_load(
    lake: Lake, request: MonthRequest, source_etag: str, layouts: Collection[Layout] = LAYOUTS
) -> LoadReport | None:
    """The report (``unchanged``) of the version that stands in the lake if it is the same; None where it has to run.

    Clears what a killed load has left of the month.
    """
    manifest = lake.read_manifest(request.dataset, request.month)
    if manifest is None or not _is_standing(manifest, request.content_key(source_etag), layouts):
        return None
    key = _key(request)
    if has_leftovers(lake, key):
        with lake.turn(key):
            now, _ = standing(lake, manifest_object(request.dataset, request.month))
            if now is None or not _is_standing(now, request.content_key(source_etag), layouts):
                return None
            clear_temporary(lake, key, now)
    return _unchanged(manifest)


def find_loads(lake: Lake, dataset: Dataset) -> dict[str, Standing]:
    """The version of each month that the lake has, by month (YYYY-MM), from its manifests: one listing, a read each."""
    months = [month_of_manifest(item.name) for item in lake.list(manifest_folder(dataset))]
    with ThreadPoolExecutor(_READS, "manifests") as pool:
        manifests = pool.map(lambda month: lake.read_manifest(dataset, month), [month for month in months if month])
        return {found.report.month: _standing(found) for found in manifests if found is not None}


def load_month(
    lake: Lake,
    load: MonthLoad,
    trips: TripStream,
    rejected: RejectedSpill,
    *,
    layouts: Collection[Layout] = LAYOUTS,
    work_dir: Path,
    source_bytes: int,
    force: bool = False,
    on_progress: Callable[[float], None] = lambda _fraction: None,
) -> LoadReport:
    """Replace the month in the lake by ``trips``, whole or not at all.

    ``rejected`` is where ``trips`` puts its rejected rows; ``work_dir`` is for the files until they are in the lake;
    ``source_bytes`` is the size of the source's file. A layout that the lake has of the month is kept up to date,
    whether or not it is among ``layouts``. Returns ``unchanged`` where another load put in the same meanwhile (unless
    ``force``). Raises what ``trips`` raises, TargetBusy, TargetUnavailable, TargetError.
    """
    request = load.request
    earlier = lake.read_manifest(request.dataset, request.month)
    wanted = set(layouts) | ({item.layout for item in earlier.objects} if earlier else set())
    with workspace(work_dir, source_bytes * _GROWTH * len(wanted)) as folder:
        files = _encode(load, trips, folder, wanted, on_progress)
        if rejected.rows:
            files.append(_encode_rejected(load, rejected, folder))
        report = load.report(trips.counts)
        written, is_new = publish(
            Replacement(
                lake=lake,
                key=_key(request),
                manifest_name=manifest_object(request.dataset, request.month),
                files=files,
                is_standing=lambda now: not force and _is_standing(now, load.content_key, wanted),
                describe=lambda objects: _manifest(load, report, trips, objects),
            )
        )
    return written.report if is_new else _unchanged(written)


def _encode(
    load: MonthLoad, trips: TripStream, folder: Path, layouts: set[Layout], on_progress: Callable[[float], None]
) -> list[ParquetFile]:
    dataset, month = load.request.dataset, load.request.month
    pickup = trips.conformer.schema.role("pickup")
    assert pickup is not None, "every dataset has a pickup time"
    schema = described(trips.schema, _about(load))
    one = RowGroups(folder / "month.parquet", schema)
    days = DayFiles(folder, schema, pickup.name, lambda day: lake_day_object(dataset, month, day))
    writers = [writer for layout, writer in (("unpartitioned", one), ("partitioned", days)) if layout in layouts]
    write_all(_with_progress(trips, on_progress), writers)
    files = [one.finish(lake_object(dataset, month), "unpartitioned")] if one in writers else []
    if days in writers:
        files += days.finish()
    for layout in layouts:
        rows = sum(file.rows for file in files if file.layout == layout)
        if rows != trips.counts.rows_loaded:
            raise TargetError(
                f"the {layout} files have {rows:,} of {trips.counts.rows_loaded:,} rows; the month is as it was."
            )
    return files


def _encode_rejected(load: MonthLoad, rejected: RejectedSpill, folder: Path) -> ParquetFile:
    groups = RowGroups(folder / "rejected.parquet", described(REJECTED_SCHEMA, _about(load)))
    for batch in rejected.batches():
        groups.add(batch)
    return groups.finish(rejected_object(load.request.dataset, load.request.month))


def _with_progress(trips: TripStream, on_progress: Callable[[float], None]) -> Iterable[pa.RecordBatch]:
    for batch in trips:
        yield batch
        on_progress(trips.file.fraction_read())


def _about(load: MonthLoad) -> dict[str, str | None]:
    """What each file says of where it comes from. Nothing of when: the same rows give the same bytes."""
    return {
        "dataset": str(load.request.dataset),
        "month": str(load.request.month),
        "source_url": load.source_url,
        "source_etag": load.source_etag,
        "conform_version": load.request.conform_version,
    }


def _manifest(load: MonthLoad, report: LoadReport, trips: TripStream, objects: list[ManifestObject]) -> Manifest:
    rejected = rejected_object(load.request.dataset, load.request.month)
    return Manifest(
        report=report,
        content_key=load.content_key,
        conform_version=load.request.conform_version,
        columns=trips.schema.names,
        objects=[item for item in objects if item.name != rejected],
        rows_by_day=trips.days.by_day,
        rejected=next((item for item in objects if item.name == rejected), None),
        flow_run_id=load.flow_run_id,
        written_at=datetime.now(UTC),
    )


def _is_standing(manifest: Manifest, content_key: str, layouts: Collection[Layout]) -> bool:
    """Whether the manifest is of that content, in all of ``layouts``, and no load was killed while replacing it."""
    return (
        manifest.content_key == content_key
        and not any(item.name.startswith(TEMPORARY) for item in manifest.objects)
        and all(manifest.of_layout(layout) or not manifest.report.rows_loaded for layout in layouts)
    )


def _standing(manifest: Manifest) -> Standing:
    return Standing(
        manifest.report,
        manifest.content_key,
        manifest.written_at,
        frozenset(item.layout for item in manifest.objects),
        is_whole=_is_standing(manifest, manifest.content_key, ()),
    )


def _unchanged(manifest: Manifest) -> LoadReport:
    return manifest.report.model_copy(update={"status": "unchanged", "bytes_read": 0, "seconds": 0.0})


def _key(request: MonthRequest) -> str:
    return f"trips/{request.dataset}/{request.month}"
