"""When the tables of names are brought up to date, in every target: at the end of each run that finds its month.

It costs a look at the target, which tells the versions that it has. Only a run that has loaded something also asks
TLC's site for the zones' version, and downloads them only if the target has another one. The warehouse takes what the
lake has. No load of trips fails because of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import astuple

from blocks.settings import Settings
from flows.extract.download import RetryPolicy, cached_version, discard, find_file
from flows.extract.read.zones import read_zones
from flows.load.codes import outdated
from flows.tasks.connect import http_client, open_lake, open_warehouse, postgres_connected, source_block
from flows.tasks.month_file import download_to_cache
from flows.tlc.codes import ZONES, CodeRows, schema_codes, version_of_zones, zone_rows
from flows.tlc.dataset import Source
from flows.tlc.errors import NotTripFile
from flows.tlc.locations import ZONES_PATH
from flows.tlc.report import LoadReport, Target
from flows.ui.report import best_effort

# A site that fails keeps a run that has its month waiting for seconds, not for a minute.
_RETRY_POLICY = RetryPolicy(failures=2)

# The published list has 12 kB; all of it is held in memory.
_ZONES_BYTES = 1 << 20

# The targets whose tables are up to date, if the run under way looks at each but once. Not the warehouse: it takes what
# the lake has, which another month may bring up to date meanwhile.
_refreshed: ContextVar[set[Target]] = ContextVar("refreshed")


@contextmanager
def refreshing_codes_once() -> Iterator[None]:
    """Within, a target's tables of names are brought up to date with the first month that is loaded into it."""
    token = _refreshed.set(set())
    try:
        yield
    finally:
        _refreshed.reset(token)


def refresh_codes(report: LoadReport) -> None:
    """Bring the tables of names of the report's target up to date; a warning says why if that fails."""
    refreshed = _refreshed.get(set())
    if report.target in refreshed:
        return
    with best_effort("The trips are there, the tables of zones and codes are as they were"):
        match report.target:
            case "postgres":
                is_complete = _refresh_postgres(report)
            case "gcs":
                is_complete = _refresh_lake(report)
            case "bigquery":
                open_warehouse().load_codes(open_lake())
                is_complete = False
        if is_complete and report.status == "loaded":
            refreshed.add(report.target)


def _refresh_postgres(report: LoadReport) -> bool:
    from flows.load.postgres.codes import read_versions, replace_codes  # noqa: PLC0415 - only if it is the target

    with postgres_connected() as connection:
        late, is_complete = _late(report, read_versions(connection))
        if late:
            replace_codes(connection, late)
    return is_complete


def _refresh_lake(report: LoadReport) -> bool:
    from flows.load.lake.codes import read_versions, replace_codes  # noqa: PLC0415 - only if it is the target

    lake = open_lake()
    late, is_complete = _late(report, read_versions(lake))
    if late:
        replace_codes(lake, late)
    return is_complete


def _late(report: LoadReport, versions: Mapping[str, str]) -> tuple[list[CodeRows], bool]:
    """What the target, which has these ``versions``, is to be given, and whether that is all: zones may not come."""
    zones, is_complete = zone_rows(), True
    if report.source is not Source.mirror and (report.status == "loaded" or not versions.get(ZONES)):
        is_complete = False
        with best_effort("The zones are as they were"):
            zones = _zones_unless(versions.get(ZONES))
            is_complete = bool(zones.version or versions.get(ZONES))
    return outdated([*schema_codes(), zones], versions), is_complete


def _zones_unless(version: str | None) -> CodeRows:
    """The zones of TLC's site; no rows if these are of ``version`` already, or the site has none."""
    url = source_block(Source.tlc).url(ZONES_PATH)
    with http_client() as client:
        file = find_file(client, url, url, retry_policy=_RETRY_POLICY)
        if file is None:
            return zone_rows()
        known = cached_version(file, Settings().cache_dir)
        if known and version_of_zones(known) == version:
            return zone_rows()
        downloaded = download_to_cache(client, file, max_bytes=_ZONES_BYTES)
    try:
        return zone_rows(map(astuple, read_zones(downloaded.path)), downloaded.etag)
    except NotTripFile:  # the next run downloads it again
        discard(downloaded.path, downloaded.etag)
        raise
