"""A previewed month on the terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flows.cli.tables import shown, table_of
from flows.cli.terminal import Terminal
from flows.preview.preview import Preview
from flows.preview.profile import ColumnProfile
from flows.tlc.column import Column
from flows.tlc.identity import MonthRequest
from flows.tlc.rules import UNLOADABLE, rules
from flows.tlc.schema import schema_of

# Values of a column that are named, and the length to which each is cut.
_NAMED = 3
_NAME_LENGTH = 24


def show_preview(terminal: Terminal, seen: Preview, request: MonthRequest, where: str) -> None:
    """The first rows, the columns, the rules, and a sentence with the counts."""
    declared = {column.name: column for column in schema_of(request.dataset).columns}
    title = f"{request.dataset} {request.month} from {where}"
    if seen.first_rows:
        terminal.show(table_of(_turned(seen.first_rows), title=f"{title}\nFirst rows, conformed"))
    terminal.show(
        table_of(
            [_column_row(column, declared.get(column.name)) for column in seen.columns],
            numbers=("nulls", "min", "max", "mean", "distinct"),
            title="Columns",
        )
    )
    rows = _rule_rows(seen)
    if rows:
        terminal.show(table_of(rows, numbers=("rows",), title="What is odd, or cannot be loaded"))
    terminal.show(_sentence(seen))
    terminal.answer(_as_json(seen, request, where))


def _turned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line a column, for trips have twenty and terminals are narrow."""
    return [{"column": name, **{f"row {number}": row[name] for number, row in enumerate(rows, 1)}} for name in rows[0]]


def _column_row(column: ColumnProfile, declared: Column | None) -> dict[str, Any]:
    share = column.nulls / column.rows if column.rows else 0.0
    return {
        "column": column.name,
        "type": column.type,
        "nulls": f"{share:.1%}" if column.nulls else "",
        "min": column.minimum,
        "max": column.maximum,
        "mean": column.mean,
        "distinct": column.distinct,
        "most frequent": _most_frequent(column, declared.meanings if declared else {}),
    }


def _most_frequent(column: ColumnProfile, meanings: dict[str, str]) -> str:
    known = column.rows - column.nulls
    named = []
    for value, rows in (column.values or [])[:_NAMED]:
        meaning = meanings.get(str(value))
        name = f"{value} {meaning}" if meaning else str(value)
        short = name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…"
        share = f"{rows / known:.0%}" if rows * 100 >= known else "<1%"
        named.append(f"{short} {share}")
    return ", ".join(named)


def _rule_rows(seen: Preview) -> list[dict[str, Any]]:
    meaning = {rule.name: rule.description for rule in rules()} | UNLOADABLE
    found = [("rejected", seen.counts.rejected), ("flagged, loaded all the same", seen.counts.flagged)]
    return [
        {"rule": rule, "rows": rows, "outcome": outcome, "meaning": meaning.get(rule, "")}
        for outcome, counts in found
        for rule, rows in counts.most_common()
    ]


def _sentence(seen: Preview) -> str:
    counts = seen.counts
    all_of_it = f"of {seen.rows_in_file:,} rows" if seen.rows_in_file else "rows, the first of more"
    much = f"all {counts.rows_read:,} rows" if seen.is_whole else f"{counts.rows_read:,} {all_of_it}"
    more = "" if seen.is_whole else " --all-rows reads all."
    return (
        f"Read {much} in {seen.seconds:.2f} s ({shown(round(seen.rows_per_second))} rows/s): {counts.rows_loaded:,} "
        f"would be loaded, {counts.rows_flagged:,} of them flagged, {counts.rows_rejected:,} rejected.{more}"
    )


def _as_json(seen: Preview, request: MonthRequest, where: str) -> dict[str, Any]:
    counts = seen.counts
    return {
        "dataset": request.dataset,
        "month": str(request.month),
        "file": where,
        "rows_in_file": seen.rows_in_file,
        "is_whole": seen.is_whole,
        "rows_read": counts.rows_read,
        "rows_loaded": counts.rows_loaded,
        "rows_rejected": counts.rows_rejected,
        "rejected_by_rule": dict(counts.rejected),
        "rows_flagged": counts.rows_flagged,
        "flagged_by_rule": dict(counts.flagged),
        "would_fail": seen.would_fail,
        "seconds": round(seen.seconds, 3),
        "first_rows": seen.first_rows,
        "columns": [
            asdict(column) | {"distinct": column.distinct, "values": (column.values or [])[:_NAMED]}
            for column in seen.columns
        ],
    }
