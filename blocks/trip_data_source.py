"""Where trip files come from, as a block: one for TLC's own site, one for the CSV mirror."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from prefect.blocks.core import Block
from pydantic import Field, SecretStr, model_validator

from flows.tlc.urls import plain_url


class TripDataSource(Block):
    """A web server with trip files, in TLC's or the mirror's layout of paths."""

    _block_type_name = "Trip data source"
    _block_type_slug = "trip-data-source"
    _description = "A web server that has New York's trip files: TLC's own site, a mirror, or a stand-in on loopback."

    base_url: str = Field(
        description="What comes before /trip-data/… at TLC, before /{dataset}/… at the mirror", pattern=r"^https?://"
    )
    secret_base_url: SecretStr | None = Field(
        None, description="The same with user and password, or with the query that signs it, if the server wants it"
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_secrets_apart(cls, values: Any) -> Any:
        """A base URL with a login or a query is the secret one; what is shown goes without."""
        given = values.get("base_url") if isinstance(values, dict) else None
        if isinstance(given, str) and (shown := plain_url(given)) != given:
            return values | {"base_url": shown, "secret_base_url": given}
        return values

    def url(self, path: str) -> str:
        """The URL of a path that starts with a slash."""
        base = self.secret_base_url.get_secret_value() if self.secret_base_url else self.base_url
        parts = urlsplit(base)
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + path))
