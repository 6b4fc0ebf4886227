"""Where trip files come from, as a block: one for TLC's own site, one for the CSV mirror."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field


class TripDataSource(Block):
    """A web server with trip files, in TLC's or the mirror's layout of paths."""

    _block_type_name = "Trip data source"
    _block_type_slug = "trip-data-source"
    _description = "A web server that has New York's trip files: TLC's own site, a mirror, or a stand-in on loopback."

    base_url: str = Field(
        description="What stands before /trip-data/… at TLC, before /{dataset}/… at the mirror", pattern=r"^https?://"
    )

    def url(self, path: str) -> str:
        """The URL of a path that starts with a slash."""
        return self.base_url.rstrip("/") + path
