"""The four datasets and what differs between them, read from ``datasets.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from flows.tlc.errors import ParameterError
from flows.tlc.month import Month


class Dataset(StrEnum):
    """A TLC trip record dataset."""

    yellow = "yellow"
    green = "green"
    fhv = "fhv"
    fhvhv = "fhvhv"


class Source(StrEnum):
    """Where trip files come from: TLC's own Parquet, or the CSV mirror that the course uses."""

    tlc = "tlc"
    mirror = "mirror"


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of one dataset: its name for people, and the months that each source can have."""

    dataset: Dataset
    title: str
    description: str
    first_month: Month
    mirror_first_month: Month
    mirror_last_month: Month

    def span(self, source: Source) -> tuple[Month, Month | None]:
        """The first and the last month that ``source`` can have; None if it still grows."""
        if source is Source.mirror:
            return self.mirror_first_month, self.mirror_last_month
        return self.first_month, None

    def check_month(self, month: Month, source: Source) -> None:
        """Raise ParameterError if ``source`` can never have ``month`` of this dataset."""
        first, last = self.span(source)
        if month < first or (last is not None and month > last):
            span = f"from {first} to {last}" if last else f"from {first} on"
            other = " Choose source='tlc' for it." if source is Source.mirror and month >= self.first_month else ""
            raise ParameterError(
                f"the source '{source}' has {self.dataset} trips {span} only.{other}",
                dataset=self.dataset,
                month=str(month),
            )


@cache
def dataset_info(dataset: Dataset) -> DatasetInfo:
    """What is known of ``dataset``."""
    entry: dict[str, Any] = read_toml("datasets.toml")[str(dataset)]
    return DatasetInfo(
        dataset=dataset,
        title=entry["title"],
        description=entry["description"],
        first_month=Month.parse(entry["first_month"]),
        mirror_first_month=Month.parse(entry["mirror"]["first_month"]),
        mirror_last_month=Month.parse(entry["mirror"]["last_month"]),
    )


def read_toml(name: str) -> dict[str, Any]:
    """One of this package's knowledge files, by its path below ``flows/tlc``."""
    return tomllib.loads(files("flows.tlc").joinpath(name).read_text(encoding="utf-8"))
