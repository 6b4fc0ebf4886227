"""What kind of lake a URL means, and the block of a folder: without Google's libraries."""

from __future__ import annotations

from typing import Literal

from prefect.filesystems import LocalFileSystem

from flows.tlc.errors import ParameterError
from flows.tlc.urls import url_to_path

LakeKind = Literal["bucket", "folder"]
BUCKET: LakeKind = "bucket"
FOLDER: LakeKind = "folder"


def lake_kind(url: str) -> LakeKind:
    """Whether the lake is in a bucket or in a folder; raises ParameterError if the URL is of neither form.

    Nor if it has a ``..``: what a link makes of it differs from what a name is, and objects' names keep it as it is.
    """
    bucket, prefix = bucket_and_prefix(url)
    path = url_to_path(url)
    if ".." in (bucket, *prefix.split("/"), *(path.parts if path else ())):
        raise ParameterError(f"TLC_LAKE_URL={url}: write the place without '..', so that it has one name.")
    if bucket:
        return BUCKET
    if path is not None:
        return FOLDER
    raise ParameterError(f"TLC_LAKE_URL={url}: write gs://bucket, gs://bucket/prefix or file:///path.")


def bucket_and_prefix(url: str) -> tuple[str, str]:
    """The two of ``gs://bucket[/prefix]``, the second without slashes at its ends; both empty for any other URL.

    Nothing is an escape in it, as in Google's own tools: object names may have any character.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    return (bucket, prefix.strip("/")) if scheme.lower() == "gs" else ("", "")


def folder_block(url: str) -> LocalFileSystem:
    """The block for ``file:///path``."""
    return LocalFileSystem(basepath=str(url_to_path(url)))
