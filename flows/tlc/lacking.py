"""What files of a month lack, and which of it they may: a column that is missing otherwise was renamed, or lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flows.tlc.catalogue import catalogue_month
from flows.tlc.column import Column
from flows.tlc.month import Month
from flows.tlc.schema_file import check_keys

FileFormat = Literal["parquet", "csv"]
_KEYS = ("columns", "format", "since", "until")


@dataclass(frozen=True)
class Lacking:
    """A kind of files, of ``since`` to ``until``, that have none of these columns; of any format if that is None."""

    columns: frozenset[str]
    format: FileFormat | None = None
    since: Month | None = None
    until: Month | None = None

    def applies_to(self, month: Month, file_format: FileFormat | None) -> bool:
        """Whether a file of ``month`` and this format, or one that nobody knows, can be of this kind."""
        return (
            (self.since is None or self.since <= month)
            and (self.until is None or month <= self.until)
            and (None in (self.format, file_format) or self.format == file_format)
        )


def missing_columns(
    columns: Sequence[Column],
    lacking: Iterable[Lacking],
    month: Month,
    present: Collection[str],
    file_format: FileFormat | None,
    *,
    has_unknown: bool = False,
) -> list[Column]:
    """The columns that a file of ``month`` lacks which has those ``present``, as the kind of file that it is most like.

    Of a column that came after the last month of the catalogue nobody has counted which files have it: it is missed
    only if the file ``has_unknown`` columns, one of which may be its new name.
    """
    counted = catalogue_month()
    absent = {
        column.name
        for column in columns
        if column.covers(month)
        and (has_unknown or column.since is None or column.since <= counted)
        and column.name not in present
    }
    kinds = [frozenset[str](), *(kind.columns for kind in lacking if kind.applies_to(month, file_format))]
    names = min((absent - kind for kind in kinds), key=len)
    return [column for column in columns if column.name in names]


def read_lacking(entries: Iterable[Mapping[str, Any]], names: Collection[str], file: str) -> tuple[Lacking, ...]:
    """The ``[[lacking]]`` entries of a schema file; raises ValueError that names the file and what is wrong."""
    return tuple(_read(entry, names, f"{file}: lacking") for entry in entries)


def _read(entry: Mapping[str, Any], names: Collection[str], where: str) -> Lacking:
    check_keys(entry, _KEYS, where)
    columns = entry.get("columns", ())
    for column in columns:
        if column not in names:
            raise ValueError(f"{where}: {column!r} is no column")
    if not columns or entry.get("format") not in (None, "parquet", "csv"):
        raise ValueError(f"{where}: it needs columns, and as format parquet, csv or none")
    months = {key: Month.parse(entry[key]) for key in ("since", "until") if key in entry}
    return Lacking(frozenset(columns), entry.get("format"), **months)
