"""Reads the entries of a schema file, strictly: what it does not understand is an error, never a column lost."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from flows.tlc.column import Column, Role
from flows.tlc.column_types import COLUMN_TYPES
from flows.tlc.month import Month

# The keys of a [[column]] entry and the TOML type of each.
_KEYS: Mapping[str, type] = {
    "name": str,
    "type": str,
    "description": str,
    "unit": str,
    "source_names": list,
    "role": str,
    "since": str,
    "until": str,
    "required": bool,
    "codes": dict,
    "values": dict,
    "text_codes": dict,
    "text_values": dict,
}
_NEEDED = ("name", "type", "description")
_CODED_TYPES = ("int16", "int32")


def read_columns(entries: Iterable[Mapping[str, Any]], file: str) -> tuple[Column, ...]:
    """The columns that ``file`` declares, in its order; raises ValueError that names the file and the entry."""
    return tuple(_read_column(entry, file) for entry in entries)


def check_keys(table: Mapping[str, Any], allowed: Iterable[str], where: str) -> None:
    """Raise ValueError if ``table`` has a key that nobody reads: a misspelt one would silently do nothing."""
    if unknown := sorted(table.keys() - set(allowed)):
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(allowed)}")


def check_unique(names: Iterable[str], what: str, file: str) -> None:
    """Raise ValueError if ``names`` has one of them twice."""
    for name, times in Counter(names).items():
        if times > 1:
            raise ValueError(f"{file}: {what} {name!r} is there {times} times; it can be there once")


def _read_column(entry: Mapping[str, Any], file: str) -> Column:
    where = f"{file}: column {entry.get('name', '(without a name)')!r}"
    _check_entry(entry, where)
    try:
        column = Column(
            **{
                **entry,
                "source_names": tuple(entry.get("source_names", ())),
                "since": _month(entry.get("since")),
                "until": _month(entry.get("until")),
                "codes": {int(code): meaning for code, meaning in entry.get("codes", {}).items()},
            }
        )
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    _check_column(column, where)
    return column


def _month(text: str | None) -> Month | None:
    return None if text is None else Month.parse(text)


def _check_entry(entry: Mapping[str, Any], where: str) -> None:
    check_keys(entry, _KEYS, where)
    if missing := [key for key in _NEEDED if key not in entry]:
        raise ValueError(f"{where}: {missing[0]!r} is missing")
    for key, value in entry.items():
        if not isinstance(value, _KEYS[key]):
            raise ValueError(f"{where}: {key} = {value!r} is not a TOML {_KEYS[key].__name__}")
    for name in entry.get("source_names", ()):
        if not isinstance(name, str):
            raise ValueError(f"{where}: source_names has {name!r}, which is not a TOML str")
    for key, item_type in (("codes", str), ("values", str), ("text_values", str), ("text_codes", int)):
        for code, value in entry.get(key, {}).items():
            if not isinstance(value, item_type):
                raise ValueError(f"{where}: {key}.{code} = {value!r} is not a TOML {item_type.__name__}")


def _check_column(column: Column, where: str) -> None:
    def refuse(condition: object, problem: str) -> None:
        if condition:
            raise ValueError(f"{where}: {problem}")

    refuse(not re.fullmatch(r"[a-z][a-z0-9_]*", column.name), "the name is not in snake case")
    refuse(column.type not in COLUMN_TYPES, f"unknown type {column.type!r}; known are {', '.join(COLUMN_TYPES)}")
    roles = get_args(Role)
    refuse(column.role not in (None, *roles), f"unknown role {column.role!r}; known are {', '.join(roles)}")
    refuse(column.since and column.until and column.since > column.until, "since is later than until")
    is_code, is_text = column.type in _CODED_TYPES, column.type == "text"
    refuse((column.codes or column.text_codes) and not is_code, f"codes need an integer type, not {column.type}")
    refuse((column.values or column.text_values) and not is_text, f"values need the type text, not {column.type}")
    for key in (*column.text_codes, *column.text_values):
        refuse(key != key.strip().upper(), f"{key!r} would never match: write it in upper case, without blanks")
