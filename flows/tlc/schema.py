"""The schema of each dataset, from the files in ``schemas/``: the one source of every table, file and document."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, get_args

from flows.tlc.column import Column, Role, folded
from flows.tlc.dataset import Dataset, read_toml
from flows.tlc.lacking import FileFormat, Lacking, missing_columns, read_lacking
from flows.tlc.month import Month
from flows.tlc.schema_file import check_keys, check_unique, read_columns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Column", "Schema", "Zones", "bigquery_fields", "missing_words", "postgres_columns", "schema_of", "zones"]

_SHARED_FILE = "schemas/shared.toml"


@dataclass(frozen=True)
class Zones:
    """The numbers of the taxi zones: the first, the last, and the two of them that are no place in the city."""

    first: int
    last: int
    unknown: int
    outside: int


@dataclass(frozen=True)
class Schema:
    """The columns of a dataset's conformed table, in order; the last, ``source_month``, is written by the load.

    ``ignored`` are columns of the source that are left out on purpose; ``ignored_beside`` are left out of a file that
    also has the other one. Names at the source are compared without blanks around them and whatever their case (but
    exactly in ``ignored_beside``, if the two are the same otherwise).
    ``lacking`` are the kinds of files that have fewer columns than the others of their months.
    """

    dataset: Dataset
    columns: tuple[Column, ...]
    ignored: tuple[str, ...] = ()
    ignored_beside: Mapping[str, str] = field(default_factory=dict, hash=False)
    lacking: tuple[Lacking, ...] = ()

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Arrow schema, each field with its description and unit as metadata."""
        import pyarrow as pa  # noqa: PLC0415 - see ColumnType.arrow

        return pa.schema([column.arrow_field for column in self.columns])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def trip_columns(self) -> tuple[Column, ...]:
        """The columns that come from the source: all but ``source_month``."""
        return tuple(column for column in self.columns if column.source_names)

    def column(self, name: str) -> Column:
        """The column of that conformed name; raises KeyError if there is none."""
        return self._by_name[name]

    def role(self, role: Role) -> Column | None:
        """The column that plays ``role`` here, if the dataset has one; raises ValueError if no dataset can."""
        if role not in get_args(Role):
            raise ValueError(f"{role!r} is not a role; roles are {', '.join(get_args(Role))}")
        return next((column for column in self.columns if column.role == role), None)

    def find(self, source_name: str) -> Column | None:
        """The column that the source called ``source_name`` in any era, whatever the file's month."""
        return self._by_source_name.get(folded(source_name))

    def is_ignored(self, source_name: str, beside: Collection[str] = ()) -> bool:
        """Whether that column of a file is left out on purpose; ``beside`` are the names of all the file's columns."""
        name = folded(source_name)
        if name in {folded(ignored) for ignored in self.ignored}:
            return True
        pairs = [(one, other) for one, other in self.ignored_beside.items() if folded(one) == name]
        return any(
            folded(other) in map(folded, beside) if folded(other) != name else source_name == one and other in beside
            for one, other in pairs
        )

    def missing(
        self,
        month: Month,
        present: Collection[str],
        file_format: FileFormat | None = None,
        *,
        has_unknown: bool = False,
    ) -> list[Column]:
        """The columns that a file of ``month`` should have and that are not among those ``present``, in order."""
        return missing_columns(self.trip_columns, self.lacking, month, present, file_format, has_unknown=has_unknown)

    def version(self, month: Month) -> str:
        """12 hex characters that change with whatever changes the values loaded from a file of ``month``.

        Only columns that such a file can have count, so that a column declared for later months changes nothing here.
        Order, descriptions, units and meanings of codes do not count either.
        """
        relevant = sorted((column for column in self.columns if column.covers(month)), key=lambda column: column.name)
        text = json.dumps([column.identity() for column in relevant], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def _by_source_name(self) -> dict[str, Column]:
        return {folded(name): column for column in self.columns for name in column.source_names}


@cache
def schema_of(dataset: Dataset) -> Schema:
    """The schema of ``dataset``; raises ValueError that names file and entry if its file is not sound."""
    file = f"schemas/{dataset}.toml"
    return build_schema(dataset, read_toml(file), read_toml(_SHARED_FILE), f"flows/tlc/{file}")


@cache
def zones() -> Zones:
    """The numbers that taxi zones have, the same in every dataset."""
    return Zones(**read_toml(_SHARED_FILE)["zones"])


@cache
def missing_words() -> tuple[str, ...]:
    """What means a missing value in numbers, times and dates: upper case, the same in every dataset."""
    return tuple(read_toml(_SHARED_FILE)["missing_words"])


def build_schema(dataset: Dataset, own: Mapping[str, Any], shared: Mapping[str, Any], file: str) -> Schema:
    """The schema that a parsed schema file and the shared one declare; ``file`` is for the messages of ValueError."""
    check_keys(own, ("dataset", "ignored", "ignored_beside", "lacking", "column"), file)
    if own.get("dataset") != dataset:
        raise ValueError(f"{file}: dataset is {own.get('dataset')!r}, expected '{dataset}'")
    columns = read_columns([*own.get("column", ()), *shared["column"]], file)
    for column in columns[: -len(shared["column"])]:
        if not column.source_names:
            raise ValueError(f"{file}: column '{column.name}': 'source_names' is missing: nothing would ever fill it")
    schema = Schema(
        dataset,
        columns,
        (*own.get("ignored", ()), *shared.get("ignored", ())),
        dict(own.get("ignored_beside", {})),
        read_lacking(own.get("lacking", ()), [column.name for column in columns], file),
    )
    check_unique(schema.names, "the name", file)
    source_names = [*schema.ignored, *(name for column in columns for name in column.source_names)]
    check_unique(map(folded, source_names), "the source name", file)
    check_unique((column.role for column in columns if column.role), "the role", file)
    for name in (*schema.ignored_beside.keys(), *schema.ignored_beside.values()):
        if schema.find(name) is None:
            raise ValueError(f"{file}: ignored_beside has {name!r}, which is no column's source name")
    return schema


def postgres_columns(schema: Schema) -> list[tuple[str, str, bool]]:
    """Name, Postgres type and whether it is NOT NULL, for each column in order."""
    return [(column.name, column.postgres, column.required) for column in schema.columns]


def bigquery_fields(schema: Schema) -> list[dict[str, str]]:
    """The schema in the JSON form of BigQuery's REST API: name, type, mode and description of each column."""
    return [bigquery_field(column) for column in schema.columns]


def bigquery_field(column: Column) -> dict[str, str]:
    """One column in that form."""
    return {
        "name": column.name,
        "type": column.bigquery,
        "mode": "REQUIRED" if column.required else "NULLABLE",
        "description": column.comment,
    }
