"""From the lake's samples to the table, and whether its targets are met."""

from __future__ import annotations

from statistics import median

from tests.benchmarks.report import Samples, Target, at_most, best

# What the project promises (docs/lake.md), for 3,000,000 rows.
MOST_TIMES_LIMIT = 1.5
MOST_MEMORY_MB = 500
MEMORY_GROWTH = 0.10
# The ways whose memory is promised: the load in a process of its own, and in the flow's.
OURS = ("lake_in_folder", "lake_in_bucket", "flow")


def lake_targets(samples: Samples, rows: int) -> list[Target]:
    """Every target that these samples can say something about."""
    found = []
    lake, limit = best(samples, "lake_in_folder", rows), best(samples, "limit", rows)
    if lake and limit:
        found.append(at_most("lake / limit, both layouts", lake / limit, MOST_TIMES_LIMIT, "×"))
    for name in OURS:
        small, large = _peak_mb(samples, name), _peak_mb(samples, f"{name}_large")
        for peak, what in ((small, f"{rows:,} rows"), (large, "large file")):
            if peak:
                found.append(at_most(f"{name}, peak memory, {what}", peak, MOST_MEMORY_MB, " MB"))
        if small and large:
            found.append(at_most(f"{name}, memory growth", (large / small - 1) * 100, MEMORY_GROWTH * 100, " %"))
    return found


def lake_table(samples: Samples, rows: int) -> str:
    """All contenders, fastest first."""
    limit, one_file = best(samples, "limit", rows), best(samples, "limit_one_file", rows)
    lines = [
        f"{f'way, {rows:,} rows':24} {'best s':>8} {'median s':>9} {'/ limit':>8} {'/ one file':>11} {'peak MB':>8}"
    ]
    names = [name for name in samples if not name.endswith("_large")]
    for name in [*sorted(names, key=lambda name: best(samples, name, rows) or 0), *_large(samples)]:
        times = [float(sample["seconds"]) for sample in samples[name]]
        ratios = ["-" if name in _large(samples) or not of else f"{min(times) / of:.2f}" for of in (limit, one_file)]
        lines.append(
            f"{name:24} {min(times):8.2f} {median(times):9.2f} {ratios[0]:>8} {ratios[1]:>11} "
            f"{_peak_mb(samples, name) or 0:8.0f}"
        )
    return "\n".join(lines)


def _large(samples: Samples) -> list[str]:
    return [name for name in samples if name.endswith("_large")]


def _peak_mb(samples: Samples, name: str) -> float | None:
    """The highest peak: what a process may need, not what it got by with once."""
    return max((sample["peak_memory_bytes"] / 1e6 for sample in samples.get(name, [])), default=None)
