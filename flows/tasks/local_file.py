"""A month's file on this machine, to be looked at: from the cache, or from the source into it."""

from __future__ import annotations

from pathlib import Path

from blocks.settings import Settings
from flows.extract.download.cache import CacheSlot, read_version
from flows.tasks.connect import month_url
from flows.tasks.month_file import download_month_file, find_month_file
from flows.tasks.policy import with_month_context
from flows.tlc.errors import SourceUnavailable
from flows.tlc.identity import MonthRequest
from flows.tlc.urls import plain_url
from flows.ui.progress import tell_progress


def fetch_month(request: MonthRequest) -> Path | None:
    """The version that the source has now, downloaded unless the cache has it; None if it is not published."""
    found = find_month_file(request)
    if found is None:
        return None
    description = f"Downloading {request.dataset} {request.month}"
    return download_month_file(found, lambda fraction: tell_progress(description, fraction)).downloaded.path


def cached_month(request: MonthRequest) -> Path:
    """The version that the cache has, whatever the source has by now; raises SourceUnavailable if it has none."""
    url = month_url(request)
    path = CacheSlot.of(Settings().cache_dir, url).path
    with with_month_context(request, url):
        if read_version(path) is None or not path.is_file():
            raise SourceUnavailable("the cache does not have this month. Leave out --offline, and it is downloaded.")
    return path


def url_of(request: MonthRequest) -> str:
    """The address of the month's file, for people."""
    return plain_url(month_url(request))
