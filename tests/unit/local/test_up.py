"""What ``make up`` says when it is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.local.up import what_next


@pytest.mark.parametrize(
    "url", ["https://me:canary@host/trips", "https://host/trips?sig=canary", "https://canary@host/trips#canary"]
)
def test_source_is_named_without_what_opens_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLC_SOURCE_URL", url)
    said = what_next("http://127.0.0.1:4200/api", Path("log"), 1)
    assert "source   https://host/trips\n" in said
    assert "canary" not in said
