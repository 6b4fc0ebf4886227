"""Which columns of a file are which: flows/tlc/schemas, read a second time. Nothing of flows/ is used here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).resolve().parents[2] / "flows" / "tlc" / "schemas"
# The last month in which files were counted: columns that came later may be missing without a word.
COUNTED = "2024-05"


@dataclass(frozen=True)
class Plan:
    """Which columns of a file are which. ``must_fail`` or ``may_fail``: a sentence has to come, or may."""

    places: dict[str, list[int]] = field(default_factory=dict)
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    nameless: list[int] = field(default_factory=list)
    must_fail: str = ""
    may_fail: bool = False


@cache
def schema(dataset: str) -> dict[str, Any]:
    own, shared = (tomllib.loads((SCHEMAS / f"{name}.toml").read_text()) for name in (dataset, "shared"))
    columns = {column["name"]: column for column in own["column"]}
    for column in columns.values():
        for words in ("text_codes", "text_values"):
            column[words] = {word.upper(): meaning for word, meaning in column.get(words, {}).items()}
    return {
        "columns": columns,
        "by_name": {fold(name): column for column in own["column"] for name in column["source_names"]},
        "ignored": {fold(name) for name in own.get("ignored", []) + shared["ignored"]},
        "beside": {fold(one): fold(other) for one, other in own.get("ignored_beside", {}).items()},
        "lacking": own.get("lacking", []),
        "missing_words": {"", *shared["missing_words"]},
    }


def fold(name: str) -> str:
    return name.strip().casefold()


def plan(dataset: str, month: str, header: Sequence[str], file_format: str, *, keep: bool) -> Plan:
    known = schema(dataset)
    found, folded = Plan(columns=dict(known["columns"])), [fold(name) for name in header]
    unknown = []
    for place, name in enumerate(folded):
        if name in known["ignored"] or known["beside"].get(name) in folded:
            continue
        if column := known["by_name"].get(name):
            found.places.setdefault(column["name"], []).append(place)
        elif name:
            unknown.append(place)
        else:
            found.nameless.append(place)
    missing = {
        name
        for name, column in known["columns"].items()
        if name not in found.places
        and column.get("since", "") <= month <= column.get("until", "9999")
        and (unknown or column.get("since", "") <= COUNTED)
    }
    problem = ""
    if not found.places:
        problem = "no column is known"
    elif unknown and not keep:
        problem = "columns are not declared"
    elif missing - _lackable(known, month, file_format):
        problem = f"columns are missing: {sorted(missing)}"
    kept = {_kept(header[place]): place for place in unknown}
    if len(kept) < len(unknown) or kept.keys() & known["columns"].keys():
        problem = "two columns would have the same name"
    for name, place in kept.items():
        found.columns[name] = {"name": name, "type": "text"}
        found.places[name] = [place]
    return Plan(found.places, found.columns, found.nameless, problem, bool(missing))


def _lackable(known: dict[str, Any], month: str, file_format: str) -> set[str]:
    return {
        name
        for kind in known["lacking"]
        if kind.get("format", file_format) == file_format
        and kind.get("since", "") <= month <= kind.get("until", "9999")
        for name in kind["columns"]
    }


def _kept(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "_", name.strip().lower())
    reserved = re.match(
        r"(ctid|xmin|xmax|cmin|cmax|tableoid|rowid|pickup_date)$|[0-9]|_table_|_file_|_partition", plain
    )
    return ("kept_" + plain if reserved else plain)[:60]
