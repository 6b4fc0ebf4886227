"""A lake has one name."""

from __future__ import annotations

import pytest

from blocks.lake_url import BUCKET, FOLDER, lake_kind
from flows.tlc.errors import ParameterError


@pytest.mark.parametrize(
    "url",
    [
        "file:///a/../b",
        "file:///a/%2e%2E/b",
        "file:///a/b/..",
        "file:/a/../b",
        "gs://bucket/../other",
        "gs://bucket/a/..",
        "gs://../b",
    ],
)
def test_two_dots_are_refused(url: str) -> None:
    with pytest.raises(ParameterError, match=r"write the place without '\.\.', so that it has one name"):
        lake_kind(url)


def test_dots_in_names_are_names() -> None:
    assert lake_kind("file:///a/..b/c..d/...") == FOLDER
    assert lake_kind("gs://bucket/a..b/%2e%2e") == BUCKET  # nothing is an escape in an object's name
