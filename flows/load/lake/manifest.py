"""The manifest of a month in the lake: what is there, and that it is whole. Written last, so it is always true."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field, field_validator

from flows.tlc.locations import Layout
from flows.tlc.report import LoadReport
from flows.tlc.visible import visible


class ManifestObject(BaseModel):
    """One Parquet object of the month."""

    layout: Layout
    name: str = Field(description="The object's name below the lake's URL, with slashes")
    uri: str | None = Field(None, description="Where the object was written, for readers that know no lake URL")
    rows: int
    bytes: int
    crc32c: str = Field(description="Base64 of the big-endian CRC32C, as Google Cloud Storage writes it")
    generation: int | None = Field(None, description="The object's generation; None in a local folder")

    @field_validator("name")
    @classmethod
    def _is_below_the_lake(cls, name: str) -> str:
        """What a manifest names is moved, and removed."""
        if {"", ".", ".."} & set(name.split("/")) or "\x00" in name:
            raise ValueError(f"{visible(name[:200])} is no name below the lake")
        return name


class Manifest(BaseModel):
    """Every object of one month's current version, and the load that wrote them. ``report.target`` is ``gcs``."""

    report: LoadReport
    content_key: str
    conform_version: str
    columns: list[str] = Field(description="The columns of every object, in order")
    objects: list[ManifestObject]
    rows_by_day: dict[date, int] = Field(
        default_factory=dict, description="Loaded rows by pickup date, of the month's days; none in older manifests"
    )
    rejected: ManifestObject | None = None
    flow_run_id: str | None = None
    started_at: datetime | None = Field(None, description="Before the load asked the source for the file's version")
    written_at: datetime

    def of_layout(self, layout: Layout) -> list[ManifestObject]:
        """The objects of one layout; none if the month was not written in it."""
        return [item for item in self.objects if item.layout == layout]
