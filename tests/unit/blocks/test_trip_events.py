"""The block of a broker: its URL is a secret, and an unset one is the embedded broker."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from blocks.trip_events import TripEvents, events_block


@pytest.mark.parametrize(
    ("url", "servers", "settings"),
    [
        ("kafka://127.0.0.1:9092", "127.0.0.1:9092", {}),
        ("kafka://a:9092,b:9093?security.protocol=SSL", "a:9092,b:9093", {"security.protocol": "SSL"}),
        ("kafka://[::1]:9092/?a=can+ary%3D", "[::1]:9092", {"a": "can+ary="}),
        (
            "kafka://me:can%40ary@a:9092?sasl.mechanism=SCRAM-SHA-512",
            "a:9092",
            {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": "me",
                "sasl.password": "can@ary",
            },
        ),
    ],
)
def test_url_becomes_address_and_settings_that_nobody_sees(url: str, servers: str, settings: dict[str, str]) -> None:
    block = events_block(SecretStr(url))
    assert (block.address(), block.client_settings()) == (servers, settings)
    assert "ary" not in repr(block) + str(block) + block.model_dump_json()
    assert TripEvents(**block.model_dump()).client_settings() == settings


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:9092",
        "http://canary:9092",
        "kafka://",
        "kafka://canary:9092/topic",
        "kafka://canary",
        "kafka://a:9092,canary",
        "kafka://a:9092?canary",
        "kafka://a:9092?=canary",
        *(f"kafka://me:12{odd}canary@a:9092" for odd in ("#", "?", "?x=", "/", "/?x=")),
    ],
)
def test_what_is_no_broker_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"Write kafka://host:port") as caught:
        events_block(SecretStr(url))
    assert "canary" not in str(caught.value)


def test_without_a_url_it_is_the_embedded_one() -> None:
    assert events_block(None).bootstrap_servers is None
