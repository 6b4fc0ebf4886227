"""A month's file on this machine, to be looked at: from the cache, or from the source into it."""

from __future__ import annotations

from pathlib import Path

from blocks.settings import Settings
from flows.extract.download.cache import CacheSlot, read_version
from flows.extract.download.download import find_file
from flows.extract.download.request import plain_url
from flows.tasks.policy import with_month_context
from flows.tasks.sources import download_to_cache, http_client, source_block
from flows.tlc.errors import SourceUnavailable
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import month_path, probe_path
from flows.ui.progress import tell_progress


def fetch_month(request: MonthRequest) -> Path | None:
    """The version that the source has now, downloaded unless the cache has it; None where it is not published."""
    block, url = source_block(request.source), _url(request)

    def show(done: int, total: int | None) -> None:
        tell_progress(f"Downloading {request.dataset} {request.month}", done / total if total else 0.0)

    with with_month_context(request, url), http_client() as client:
        file = find_file(client, url, block.url(probe_path(request.dataset, request.source)))
        return download_to_cache(client, file, show).path if file else None


def cached_month(request: MonthRequest) -> Path:
    """The version that the cache has, whatever the source has by now; raises SourceUnavailable where it has none."""
    url = _url(request)
    path = CacheSlot.of(Settings().cache_dir, url).path
    with with_month_context(request, url):
        if read_version(path) is None or not path.is_file():
            raise SourceUnavailable("the cache does not have this month. Leave out --offline, and it is downloaded.")
    return path


def url_of(request: MonthRequest) -> str:
    """The address of the month's file, for people."""
    return plain_url(_url(request))


def _url(request: MonthRequest) -> str:
    return source_block(request.source).url(month_path(request.dataset, request.month, request.source))
