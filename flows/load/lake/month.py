"""Load a month into the lake: encode every layout in one pass over the rows, then put the version in place."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from flows.decide.plan import LoadedMonth
from flows.load.lake.clear import clear_or_warn, has_leftovers
from flows.load.lake.encode import encode_month, encode_rejected
from flows.load.lake.manifest import Manifest, ManifestObject
from flows.load.lake.protocol import TEMPORARY, Lake
from flows.load.lake.publish import Replacement, current_manifest, publish
from flows.load.lake.read_manifests import read_manifests
from flows.load.lake.workspace import workspace
from flows.load.ledger import unchanged
from flows.load.month_load import MonthLoad
from flows.load.rejected_spill import RejectedSpill
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetBusy
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import (
    LAYOUTS,
    Layout,
    manifest_object,
    rejected_object,
)
from flows.tlc.report import LoadReport
from flows.transform.stream import TripStream

# Bytes on disk of one layout, for one byte of the source's file: 1.2 of Parquet and 1.1 of CSV.gz were measured.
_GROWTH = 2


def current_load(
    lake: Lake, request: MonthRequest, source_etag: str, layouts: Collection[Layout] = LAYOUTS
) -> LoadReport | None:
    """The report (``unchanged``) of the version in the lake if it is the same; None if the month has to be loaded.

    Clears what a killed load has left of the month.
    """
    manifest = lake.read_manifest(request.dataset, request.month)
    if manifest is None or not _is_current(manifest, request.content_key(source_etag), layouts):
        return None
    key = _key(request)
    if has_leftovers(lake, key):
        with lake.lock_month(key):
            now, _ = current_manifest(lake, manifest_object(request.dataset, request.month))
            if now is None or not _is_current(now, request.content_key(source_etag), layouts):
                return None
            clear_or_warn(lake, key, now)
    return unchanged(manifest.report)


def current_loads(lake: Lake, dataset: Dataset) -> dict[str, LoadedMonth]:
    """The version of each month that the lake has, by month (YYYY-MM), from its manifests: one listing, a read each."""
    return {str(month): _loaded_month(found) for month, found in read_manifests(lake, dataset).items()}


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
    whether or not it is among ``layouts``. Returns ``unchanged`` if another load put in the same meanwhile (unless
    ``force``). Raises what ``trips`` raises, CheckFailed if no row is left to load (unless ``force``), NewerLoad
    if another load put in a newer file meanwhile, TargetBusy, TargetUnavailable, TargetError.
    """
    request = load.request
    earlier = lake.read_manifest(request.dataset, request.month)
    if earlier is not None:
        _refuse_outdated(load, earlier)
    wanted = set(layouts) | ({item.layout for item in earlier.objects} if earlier else set())
    with workspace(work_dir, source_bytes * _GROWTH * len(wanted)) as folder:
        files = encode_month(load, trips, folder, wanted, on_progress)
        if not force:
            load.refuse_empty(trips.counts)
        if rejected.rows:
            files.append(encode_rejected(load, rejected, folder))
        report = load.report(trips.counts)
        written, is_new = publish(
            Replacement(
                lake=lake,
                key=_key(request),
                manifest_name=manifest_object(request.dataset, request.month),
                files=files,
                stays=lambda now: _stays(load, now, wanted, force=force),
                describe=lambda objects: _manifest(load, report, trips, objects),
            )
        )
    if is_new:
        return written.report
    _refuse_outdated(load, written)
    return unchanged(written.report).model_copy(update={"bytes_read": load.bytes_read})


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
        started_at=load.source_checked_at,
        written_at=datetime.now(UTC),
    )


def _stays(load: MonthLoad, now: Manifest, wanted: set[Layout], *, force: bool) -> bool:
    """Whether what the lake has by now is not to be replaced by this load, which has encoded the ``wanted`` layouts.

    Raises TargetBusy if the lake has got another layout meanwhile: replacing the month would take that away.
    """
    if _is_outdated(load, now) or (not force and _is_current(now, load.content_key, wanted)):
        return True
    if more := {item.layout for item in now.objects} - wanted:
        raise TargetBusy(
            f"another load has written the month in the layout {', '.join(sorted(more))} meanwhile, and this one "
            "has not. Run again: that brings both up to date."
        )
    return False


def _refuse_outdated(load: MonthLoad, manifest: Manifest) -> None:
    """Raise NewerLoad if the load that wrote the manifest asked for the file later, and found another version."""
    if _is_outdated(load, manifest):
        raise load.newer(manifest.report.source_etag)


def _is_outdated(load: MonthLoad, manifest: Manifest) -> bool:
    return load.is_outdated_by(manifest.report.source_url, manifest.report.source_etag, manifest.started_at)


def _is_current(manifest: Manifest, content_key: str, layouts: Collection[Layout]) -> bool:
    """Whether the manifest is of that content, in all of ``layouts``, and no load was killed while replacing it."""
    return (
        manifest.content_key == content_key
        and not any(item.name.startswith(TEMPORARY) for item in manifest.objects)
        and all(manifest.of_layout(layout) or not manifest.report.rows_loaded for layout in layouts)
    )


def _loaded_month(manifest: Manifest) -> LoadedMonth:
    return LoadedMonth(
        manifest.report,
        manifest.content_key,
        manifest.written_at,
        frozenset(item.layout for item in manifest.objects),
        is_intact=_is_current(manifest, manifest.content_key, ()),
    )


def _key(request: MonthRequest) -> str:
    return f"trips/{request.dataset}/{request.month}"
