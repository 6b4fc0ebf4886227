"""What kind of lake a URL means, and the block of a folder: without Google's libraries."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from prefect.filesystems import LocalFileSystem

LakeKind = Literal["bucket", "folder"]
BUCKET: LakeKind = "bucket"
FOLDER: LakeKind = "folder"


def lake_kind(url: str) -> LakeKind:
    """Whether the lake is in a bucket or in a folder; raises ValueError where the URL is of neither form."""
    parts = urlsplit(url)
    if parts.scheme == "gs" and parts.netloc:
        return BUCKET
    if parts.scheme == "file" and not parts.netloc and parts.path.strip("/"):
        return FOLDER
    raise ValueError(f"TLC_LAKE_URL={url}: write gs://bucket, gs://bucket/prefix or file:///path.")


def folder_block(url: str) -> LocalFileSystem:
    """The block for ``file:///path``."""
    return LocalFileSystem(basepath=urlsplit(url).path)
