"""From samples to the table: seconds, ratios, and whether the targets are met; and the file that keeps them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

# What the project promises (README), for 3,000,000 rows.
MOST_TIMES_LIMIT = 1.35
TIMES_FASTER_THAN_DLT = 2.0
TIMES_FASTER_THAN_TO_SQL = 40.0
MOST_MEMORY_MB = 450
MEMORY_GROWTH = 0.10
MOST_UNCHANGED_SECONDS = 1.5

Samples = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Target:
    """A promise, what was measured, and whether that keeps it."""

    promise: str
    measured: str
    met: bool


def conclude(targets: Sequence[Target], output: Path, **found: Any) -> int:
    """Say which targets are met, and keep them in ``output`` with all that was found; 0 if all are met, else 1."""
    print(*(f"{'met' if one.met else 'MISSED':7} {one.promise:60} {one.measured}" for one in targets), sep="\n")
    result = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **found}
    result["targets"] = [asdict(one) for one in targets]
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if all(one.met for one in targets) else 1


def scaled_seconds(sample: dict[str, Any], rows: int) -> float:
    """The sample's seconds, for ``rows`` rows."""
    return float(sample["seconds"]) * rows / sample.get("rows", rows)


def best(samples: Samples, name: str, rows: int) -> float | None:
    """The fastest sample, for ``rows`` rows: what disturbs a machine only ever adds."""
    return min((scaled_seconds(sample, rows) for sample in samples.get(name, [])), default=None)


def dlt_best(samples: Samples, rows: int) -> float | None:
    """dlt's fastest way."""
    times = [best(samples, name, rows) for name in samples if name.startswith("dlt")]
    return min((time for time in times if time is not None), default=None)


def targets(samples: Samples, rows: int) -> list[Target]:
    """Every target that these samples can say something about."""
    found = []
    flow, limit = best(samples, "flow", rows), best(samples, "limit", rows)
    dlt, to_sql = dlt_best(samples, rows), best(samples, "to_sql", rows)
    if flow and limit:
        found.append(at_most("flow / limit", flow / limit, MOST_TIMES_LIMIT, "×"))
    if flow and dlt:
        found.append(at_least("dlt's best / flow", dlt / flow, TIMES_FASTER_THAN_DLT, "×"))
    if flow and to_sql:
        found.append(at_least("to_sql / flow", to_sql / flow, TIMES_FASTER_THAN_TO_SQL, "×"))
    small, large = (
        max((sample["peak_memory_bytes"] / 1e6 for sample in samples.get(name, [])), default=None)
        for name in ("flow", "flow_large")
    )
    for memory, what in ((small, f"peak memory, {rows:,} rows"), (large, "peak memory, large file")):
        if memory:
            found.append(at_most(what, memory, MOST_MEMORY_MB, " MB"))
    if small and large:
        found.append(at_most("memory growth", (large / small - 1) * 100, MEMORY_GROWTH * 100, " %"))
    if unchanged := samples.get("unchanged"):
        seconds = min(sample["seconds"] for sample in unchanged)
        found.append(at_most("unchanged", seconds, MOST_UNCHANGED_SECONDS, " s"))
        body = sum(sample["http_bytes"] for sample in unchanged)
        found.append(Target("unchanged downloads nothing", f"{body} bytes", body == 0))
    return found


def table(samples: Samples, rows: int) -> str:
    """All contenders, fastest first."""
    flow, limit = best(samples, "flow", rows), best(samples, "limit", rows)
    lines = [f"{'way, ' + f'{rows:,} rows':32} {'best s':>8} {'median s':>9} {'/ limit':>8} {'/ flow':>8}  measured on"]
    names = [name for name in samples if name not in ("flow_large", "unchanged") and samples[name]]
    for name in sorted(names, key=lambda name: best(samples, name, rows) or 0):
        times = sorted(scaled_seconds(sample, rows) for sample in samples[name])
        measured = samples[name][0].get("rows", rows)
        part = f"{measured:,} rows, scaled" if measured != rows else "all"
        lines.append(
            f"{name:32} {times[0]:8.2f} {median(times):9.2f} {_ratio(times[0], limit):>8} "
            f"{_ratio(times[0], flow):>8}  {part}, {len(times)}×"
        )
    for name in ("unchanged", "flow_large"):
        for sample in samples.get(name, [])[:1]:
            lines.append(f"{name:32} {sample['seconds']:8.2f}")
    return "\n".join(lines)


def _ratio(seconds: float, of: float | None) -> str:
    return f"{seconds / of:.2f}" if of else "-"


def at_most(what: str, measured: float, most: float, unit: str = "") -> Target:
    """The target that ``measured`` is at most ``most``."""
    return Target(f"{what} ≤ {most:g}{unit}", f"{measured:.2f}{unit}", measured <= most)


def at_least(what: str, measured: float, least: float, unit: str = "") -> Target:
    """The target that ``measured`` is at least ``least``."""
    return Target(f"{what} ≥ {least:g}{unit}", f"{measured:.2f}{unit}", measured >= least)
