"""The tables of names of a warehouse: which of them are not what the lake has."""

from __future__ import annotations

from collections.abc import Mapping

from flows.load.codes import outdated
from flows.load.lake.codes import read_versions
from flows.load.lake.protocol import Lake
from flows.tlc.codes import CodeRows, code_tables


def behind_lake(lake: Lake, versions: Mapping[str, str]) -> list[CodeRows]:
    """The tables, without rows, that the warehouse lacks or has in another version than the lake.

    ``versions`` are those that the warehouse has, by table. A table that the lake does not have is not among them.
    """
    in_lake = read_versions(lake)
    wanted = [CodeRows(table, (), in_lake[table.name]) for table in code_tables() if table.name in in_lake]
    return outdated(wanted, versions)
