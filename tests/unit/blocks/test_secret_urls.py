"""URLs with secrets in them: the alert webhook's, and a source's with a login or a signature."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from blocks.alerts import alert_webhook
from blocks.trip_data_source import TripDataSource


def test_webhook_keeps_its_url_to_itself() -> None:
    block = alert_webhook(SecretStr("https://hooks.slack.com/services/T0/B0/canary"))
    assert "canary" not in repr(block) + str(block) + block.model_dump_json()


@pytest.mark.parametrize("url", ["hooks.slack.com/services/T0/B0/canary", "slack://T0/B0/canary", "https:///canary"])
def test_what_is_no_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match="TLC_ALERT_WEBHOOK_URL is no URL") as caught:
        alert_webhook(SecretStr(url))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("base", "shown", "asked"),
    [
        ("https://host/a/", "https://host/a/", "https://host/a/x.parquet"),
        ("https://host/a?sig=canary", "https://host/a", "https://host/a/x.parquet?sig=canary"),
        ("https://me:canary@host/a", "https://host/a", "https://me:canary@host/a/x.parquet"),
    ],
)
def test_source_asks_with_its_secret_and_shows_itself_without(base: str, shown: str, asked: str) -> None:
    block = TripDataSource(base_url=base)
    assert block.base_url == shown
    assert block.url("/x.parquet") == asked
    assert "canary" not in repr(block) + str(block) + block.model_dump_json()
    assert TripDataSource(**block.model_dump()).url("/x.parquet") == asked


def test_source_without_http_is_refused() -> None:
    with pytest.raises(ValueError, match="base_url"):
        TripDataSource(base_url="ftp://host")
