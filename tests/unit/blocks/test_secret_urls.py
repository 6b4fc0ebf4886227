"""URLs with secrets in them: the alert webhook's, and a source's with a login or a signature."""

from __future__ import annotations

from traceback import format_exception
from urllib.parse import quote

import pytest
from psycopg2 import OperationalError
from psycopg2.extensions import parse_dsn
from pydantic import SecretStr

from blocks.alerts import alert_webhook
from blocks.postgres import postgres_connection, postgres_connector, read_only_uri
from blocks.trip_data_source import TripDataSource
from flows.tlc.errors import ParameterError


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


SPECIAL = "@:/?#[]%&= +'\"\\$`{}|<>^~;,!*()é\t"


@pytest.mark.parametrize("character", SPECIAL)
def test_password_with_any_character_arrives_and_is_in_no_text(character: str) -> None:
    password = f"canary{character}canary"
    connector = postgres_connector(f"postgresql://me:{quote(password, safe='')}@127.0.0.1:1/trips")
    assert connector.connection_info.password.get_secret_value() == password
    assert parse_dsn(read_only_uri(connector))["password"] == password
    assert "canary" not in repr(connector) + str(connector) + str(connector.model_dump()) + connector.model_dump_json()
    with pytest.raises(OperationalError) as refused, postgres_connection(connector):
        pass
    assert "canary" not in "".join(format_exception(refused.value))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:canary@canary@host/trips",
        "postgresql://me:a@host:canary/trips",
        "me:canary@host/trips",
        "canary",
        "postgresql://me:canary%0Acanary@host/trips",
        "postgresql://me:canary%00@host/trips",
        "postgresql://host/trips?user=me&password=canary%0Acanary",
    ],
)
def test_postgres_url_that_is_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ParameterError, match=r"^TLC_POSTGRES_URL") as refused:
        postgres_connector(url)
    assert "canary" not in "".join(format_exception(refused.value))
