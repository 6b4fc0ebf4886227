"""The tables of names beside the trips, from ``codes.toml`` and the schema files: taxi zones, and codes of columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from flows.tlc.column import Column
from flows.tlc.dataset import Dataset, read_toml
from flows.tlc.schema import schema_of

_FILE = "codes.toml"
ZONES = "zones"


@dataclass(frozen=True)
class CodeTable:
    """A table of names; the first column is its key. ``names_of`` is the trips' column with these codes."""

    name: str
    description: str
    columns: tuple[Column, ...]
    names_of: str | None = None

    @property
    def key(self) -> Column:
        return self.columns[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True)
class CodeRows:
    """What is to be in a table of names: one row for each key, values in the order of the columns.

    ``version`` is 12 hex digits, equal for the same content; empty if the content is not known, as that of the zones is
    before the source was asked: then there are no rows, which replace none.
    """

    table: CodeTable
    rows: tuple[tuple[Any, ...], ...]
    version: str

    @property
    def name(self) -> str:
        return self.table.name


@cache
def code_tables() -> tuple[CodeTable, ...]:
    """The zones' table and each coded column's. Raises ValueError if two datasets give a code two meanings."""
    return (_zones_table(), *(rows.table for rows in schema_codes()))


@cache
def schema_codes() -> tuple[CodeRows, ...]:
    """The content of each coded column's table: all datasets' codes together, in their order."""
    return tuple(_codes_of(entry) for entry in read_toml(_FILE)["codes"])


def zone_rows(rows: Iterable[tuple[Any, ...]] = (), identity: str | None = None) -> CodeRows:
    """The content of the zones' table, of the version of the source's file that ``identity`` names."""
    table = _zones_table()
    return CodeRows(table, tuple(rows), _version(table, identity) if identity else "")


def version_of_zones(identity: str) -> str:
    """The version that the zones' table has, filled from the version of the source's file that ``identity`` names."""
    return _version(_zones_table(), identity)


@cache
def _zones_table() -> CodeTable:
    entry = read_toml(_FILE)["zones"]
    return CodeTable(ZONES, entry["description"], tuple(Column(**column) for column in entry["column"]))


def _codes_of(entry: Mapping[str, str]) -> CodeRows:
    name = entry["column"]
    columns = [column for dataset in Dataset for column in schema_of(dataset).columns if column.name == name]
    meanings: dict[Any, str] = {}
    for column in columns:
        for code, meaning in (*column.codes.items(), *column.values.items()):
            if meanings.setdefault(code, meaning) != meaning:
                raise ValueError(f"{name} {code} is {meanings[code]!r} in one schema file, {meaning!r} in another")
    code_column = Column("code", columns[0].type, f"Value of {name}.", required=True)
    name_column = Column("name", "text", "What it means.", required=True)
    table = CodeTable(entry["table"], entry["description"], (code_column, name_column), name)
    rows = tuple(sorted(meanings.items()))
    return CodeRows(table, rows, _version(table, rows))


def _version(table: CodeTable, content: object) -> str:
    """Changes with the content, and with whatever the table itself says of it."""
    columns = [(column.name, column.type, column.comment) for column in table.columns]
    text = json.dumps([table.name, table.description, columns, content])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
