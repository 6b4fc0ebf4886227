"""Every path is a URL and comes back; what people write into a variable means the path that they see."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.tlc.urls import path_to_url, url_to_path

ODD = [
    "c#",
    "a b",
    "q?x",
    "100%",
    "a%20b",
    "a%2520b",
    "é",
    "日本",
    "a+b",
    "a&b=c",
    "x=1",
    "it's",
    'd"q',
    "[ab]",
    "s*",
    "~",
]
ODD += ["e]{f}", "a\\b", "a;b", "a:b", "a@b", "\u00a0", "tab\there", "line\nbreak", "bad\udcff", "-", "%", "#", "?"]


@pytest.mark.parametrize("scheme", ["file", "duckdb"])
@pytest.mark.parametrize("name", ODD)
def test_a_path_comes_back_from_its_url(name: str, scheme: str) -> None:
    path = Path("/home") / name / "x"
    url = path_to_url(path, scheme)
    assert url.startswith(f"{scheme}:///home/")
    assert url_to_path(url, scheme) == path
    assert not set(url) & set("#?\n\t ")
    url.encode()


def test_a_plain_path_is_not_altered() -> None:
    assert path_to_url(Path("/srv/lake/pickup_date=2020-12-01/ü")) == "file:///srv/lake/pickup_date=2020-12-01/ü"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///srv/lake", "/srv/lake"),
        ("FILE:///srv/lake/", "/srv/lake"),
        ("file:/srv/lake", "/srv/lake"),
        ("file:////srv/lake", "/srv/lake"),
        ("file:///home/me/c#/lake", "/home/me/c#/lake"),
        ("file:///home/me/c%23/lake", "/home/me/c#/lake"),
        ("file:///what?/lake", "/what?/lake"),
        ("file:///a b/lake", "/a b/lake"),
        ("file:///a%20b/lake", "/a b/lake"),
        ("file:///100%/lake", "/100%/lake"),
        ("file:///100%25/lake", "/100%/lake"),
        ("file:///caf\u00e9", "/caf\u00e9"),
        ("file:///caf%C3%A9", "/caf\u00e9"),
    ],
)
def test_a_url_means_the_path_that_people_see(url: str, path: str) -> None:
    assert url_to_path(url) == Path(path)


@pytest.mark.parametrize(
    "url", ["", "file:", "file://", "file:///", "file://host/x", "file:x", "gs://b/x", "/x", "file:///%00"]
)
def test_anything_else_names_no_path(url: str) -> None:
    assert url_to_path(url) is None
