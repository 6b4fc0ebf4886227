"""Where events go and come from, as a block: a broker that speaks Kafka's protocol, or the embedded one."""

from __future__ import annotations

import re
from urllib.parse import unquote

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field, SecretStr

from blocks.embedded_broker import start_broker

# A # or ? that a password has as it is would end it there, and show its beginning as a server.
_URL = re.compile(r"kafka://(?:(?P<login>[^#?/]*)@)?(?P<servers>[^#?/@]+)/?(?:\?(?P<settings>[^#?@]*))?")
_SERVER = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\]):[0-9]+", re.ASCII)


class TripEvents(Block):
    """A broker of events."""

    _block_type_name = "Trip events"
    _block_type_slug = "trip-events"
    _description = "A broker that speaks Kafka's protocol, for replay_trips and stream_to_postgres."

    bootstrap_servers: str | None = Field(
        None, description="host:port, several with commas between; none: the embedded broker of the machine"
    )
    settings: SecretDict = Field(
        default_factory=lambda: SecretDict({}),
        description="librdkafka's settings beside, as security.protocol, sasl.username, sasl.password",
    )

    def address(self) -> str:
        """The broker's address; the embedded one is started if need be. Raises BrokerFailed if it cannot be."""
        return self.bootstrap_servers or start_broker()

    def client_settings(self) -> dict[str, str]:
        """The settings of its clients, secrets among them."""
        return {name: str(value) for name, value in self.settings.get_secret_value().items()}


def events_block(url: SecretStr | None) -> TripEvents:
    """The block for ``kafka://[user:password@]host:port[,host:port][?setting=value]``; None: the embedded broker.

    A login is SASL/PLAIN over TLS unless settings say otherwise. Raises ValueError, without showing the URL, if it is
    of another form.
    """
    if url is None:
        return TripEvents()
    found = _URL.fullmatch(url.get_secret_value())
    login, servers, given = found.group("login", "servers", "settings") if found else (None, "", None)
    pairs = [each.partition("=") for each in (given or "").split("&") if given]
    if not all(map(_SERVER.fullmatch, servers.split(","))) or not all(name and equals for name, equals, _ in pairs):
        raise ValueError(
            "TLC_EVENTS_URL is no broker's (it is not shown here: it may hold a secret). Write kafka://host:port, with "
            "librdkafka's settings behind a question mark, as in ?security.protocol=SASL_SSL; and # ? / @ of a "
            "password as %23 %3F %2F %40."
        )
    user, _, password = (login or "").partition(":")
    of_login = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": unquote(user),
        "sasl.password": unquote(password),
    }
    settings = (of_login if login else {}) | {unquote(name): unquote(value) for name, _, value in pairs}
    return TripEvents(bootstrap_servers=servers, settings=SecretDict(settings))
