"""The sources as the blocks have them, and a client to ask them with."""

from __future__ import annotations

import ssl
from functools import cache

import httpx

from blocks.names import MIRROR_SOURCE, TLC_SOURCE
from blocks.register import load_block
from blocks.settings import Settings
from blocks.trip_data_source import TripDataSource
from flows.extract.download import Downloaded, SourceFile, download
from flows.extract.transfer import Progress
from flows.tlc.dataset import Source


def source_name(source: Source) -> str:
    """The name of a source's block."""
    return MIRROR_SOURCE if source is Source.mirror else TLC_SOURCE


def source_block(source: Source) -> TripDataSource:
    """The block of a source."""
    block: TripDataSource = load_block(TripDataSource, source_name(source))
    return block


def download_to_cache(client: httpx.Client, file: SourceFile, on_progress: Progress | None = None) -> Downloaded:
    """The file in the cache, of the place and size that the settings name; see ``download``."""
    settings = Settings()
    return download(client, file, settings.cache_dir, keep_bytes=settings.cache_bytes, on_progress=on_progress)


def http_client() -> httpx.Client:
    """A client for the source."""
    return httpx.Client(verify=_tls())


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reads all of the system's certificates: 50 ms, once a process
