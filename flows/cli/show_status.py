"""What is loaded where, on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from flows.cli.compared import ComparedLoad
from flows.cli.tables import table_of
from flows.cli.terminal import Terminal

# States after which loading the month again, with the options that it was loaded with, changes something.
_OUTDATED = ("stale", "incomplete", "behind the lake")


def show_status(terminal: Terminal, loads: Sequence[ComparedLoad]) -> None:
    """A row a month, a column a target; then the sums, and what to do."""
    if not loads:
        terminal.show("Nothing is loaded yet. python -m flows load green 2024-05 loads a small month.")
    else:
        terminal.show(table_of(_rows(loads)), *_sums(loads))
        outdated = sorted({f"{load.dataset} {load.month}" for load in loads if load.freshness in _OUTDATED})
        if outdated:
            terminal.show(f"To be loaded again, by backfill: {', '.join(outdated)}.")
        terminal.show(*_other_rules(loads))
    terminal.answer({"loads": [_as_json(load) for load in loads]})


def _other_rules(loads: Sequence[ComparedLoad]) -> list[str]:
    """What to do about months that were loaded otherwise than they would be today: a sentence for each dataset."""
    months: dict[str, list[str]] = {}
    for load in loads:
        if load.freshness == "other rules":
            months.setdefault(str(load.dataset), []).append(str(load.month))
    return [
        f"{dataset} {', '.join(sorted(set(these)))} were loaded by other rules than today's: with drop_rules, or from "
        f"an earlier version. That may be meant. To load them by today's: python -m flows backfill {dataset} "
        f"--start-month {min(these)} --end-month {max(these)}; with --drop-rule for each rule that is to reject rows."
        for dataset, these in months.items()
    ]


def _rows(loads: Sequence[ComparedLoad]) -> list[dict[str, Any]]:
    targets = list(dict.fromkeys(load.target for load in loads))
    rows: dict[str, dict[str, Any]] = {}
    for load in loads:
        name = f"{load.dataset} {load.month}"
        row = rows.setdefault(name, {"month": name, **{f"→ {target}": None for target in targets}})
        when = load.load.loaded_at.astimezone().strftime("%Y-%m-%d %H:%M")
        row[f"→ {load.target}"] = f"{load.load.report.rows_loaded:,} rows, {when}, {load.freshness}"
    return list(rows.values())


def _sums(loads: Sequence[ComparedLoad]) -> list[str]:
    months: Counter[tuple[str, str]] = Counter()
    rows: Counter[tuple[str, str]] = Counter()
    for load in loads:
        months[load.dataset, load.target] += 1
        rows[load.dataset, load.target] += load.load.report.rows_loaded
    return [
        f"{dataset} → {target}: {number} {'month' if number == 1 else 'months'}, {rows[dataset, target]:,} rows"
        for (dataset, target), number in sorted(months.items())
    ]


def _as_json(load: ComparedLoad) -> dict[str, Any]:
    report = load.load.report
    return {
        "dataset": load.dataset,
        "month": str(load.month),
        "target": load.target,
        "rows": report.rows_loaded,
        "rows_rejected": report.rows_rejected,
        "rows_flagged": report.rows_flagged,
        "loaded_at": load.load.loaded_at.isoformat(),
        "source_url": report.source_url,
        "source_etag": report.source_etag,
        "freshness": load.freshness,
    }
