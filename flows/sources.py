"""The sources as the blocks have them, and a client to ask them with."""

from __future__ import annotations

import ssl
from functools import cache

import httpx

from blocks.names import MIRROR_SOURCE, TLC_SOURCE
from blocks.register import load_block
from blocks.trip_data_source import TripDataSource
from flows.tlc.dataset import Source


def source_name(source: Source) -> str:
    """The name of a source's block."""
    return MIRROR_SOURCE if source is Source.mirror else TLC_SOURCE


def source_block(source: Source) -> TripDataSource:
    """The block of a source."""
    block: TripDataSource = load_block(TripDataSource, source_name(source))
    return block


def http_client() -> httpx.Client:
    """A client for the source."""
    return httpx.Client(verify=_tls())


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reads all of the system's certificates: 50 ms, once a process
