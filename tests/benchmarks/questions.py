"""``python -m tests.benchmarks.questions``: fourteen questions to Postgres, DuckDB, the lake and files as TLC's.

Six months of yellow, and the real months of green if they are there. Every engine is asked in a process of its own,
round by round; answers have to be equal. Prints the table and keeps the samples in ``results/questions.json``.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.tlc.dataset import Dataset, Source
from flows.tlc.locations import lake_object, month_path
from flows.tlc.month import Month, months_between
from tests.benchmarks.contenders.questions import CHANGES
from tests.benchmarks.inputs import SHARED, published_file
from tests.benchmarks.machine import machine_facts
from tests.benchmarks.report import Target, at_most, conclude
from tests.benchmarks.run import run_contender, say
from tests.benchmarks.services import Services, services

RESULTS = Path(__file__).parent / "results" / "questions.json"
MONTHS = list(months_between(Month(2023, 10), Month(2024, 3)))
REAL = SHARED / "tlc" / "cdn" / "trip-data"
REAL_MONTHS = [Month(2020, 12), Month(2023, 12)]
ENGINES = (*CHANGES, "warehouse", "lake", "lake_files", "tlc_files")
REAL_ENGINES = ("lake_files", "tlc_files")
# Each round asks everything so often in one session; the small files' answers take milliseconds.
TIMES, REAL_TIMES = 2, 20


@dataclass
class Asked:
    """One dataset's months, and the seconds of every question by engine; ``cpu`` has those of CPU."""

    dataset: Dataset
    months: Sequence[Month]
    tlc_files: Sequence[Path]
    lake_files: Sequence[Path]
    seconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    cpu: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    answers: dict[str, list[list[Any]]] = field(default_factory=dict)

    def add(self, engine: str, found: dict[str, Any]) -> None:
        """Keep what an engine told; raises ValueError if it answers otherwise than the ones before."""
        for question, told in found.items():
            for kept, name in ((self.seconds, "seconds"), (self.cpu, "cpu_seconds")):
                kept.setdefault(engine, {}).setdefault(question, []).extend(told[name])
            expected = self.answers.setdefault(question, told["answer"])
            if not told["answer"] or not same(expected, told["answer"]):
                raise ValueError(f"{engine} answers '{question}' otherwise: {told['answer'][:3]}, not {expected[:3]}")

    def targets(self) -> list[Target]:
        """What is promised of the lake's files against TLC's."""
        what = f"{self.dataset}: the lake's files / TLC's"
        ours, theirs = (sum(path.stat().st_size for path in paths) for paths in (self.lake_files, self.tlc_files))
        found = [at_most(f"{what}, bytes", ours / theirs, 1, "×")]
        if all(engine in self.seconds for engine in REAL_ENGINES):
            seconds = [sum(best(self.seconds[engine]).values()) for engine in REAL_ENGINES]
            found.append(at_most(f"{what}, seconds of all questions", seconds[0] / seconds[1], 1, "×"))
        return found


def main() -> int:
    """0 if every target is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.questions", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000, help="rows of all months (default: 20,000,000)")
    parser.add_argument("--repeat", type=int, default=2, help="rounds (default: 2)")
    parser.add_argument("--engines", type=lambda text: text.split(","), default=ENGINES, help=",".join(ENGINES))
    parser.add_argument("--output", type=Path, default=RESULTS, help=f"where the JSON goes (default: {RESULTS})")
    options = parser.parse_args()
    made = {month: published_file(options.rows // len(MONTHS), month) for month in MONTHS}
    real = {month: REAL / f"green_tripdata_{month}.parquet" for month in REAL_MONTHS}
    say("starting Postgres, a web server and Prefect's server")
    with services() as running:
        facts = machine_facts(running.postgres_url)
        asked = [_load(running, Dataset.yellow, made)]
        if REAL.is_dir():
            asked.append(_load(running, Dataset.green, real))
        for turn in range(options.repeat):
            for one in asked:
                _ask(running, one, options.engines if one.dataset is Dataset.yellow else REAL_ENGINES)
                say(f"round {turn + 1}: {one.dataset} has been asked")
        found = [target for one in asked for target in one.targets()]
    for one in asked:
        print(_table(one))
    cpu_seconds = {
        str(one.dataset): {engine: one.cpu[engine] for engine in REAL_ENGINES if engine in one.cpu} for one in asked
    }
    seconds = {str(one.dataset): one.seconds for one in asked}
    return conclude(found, options.output, rows=options.rows, machine=facts, seconds=seconds, cpu_seconds=cpu_seconds)


def best(seconds: dict[str, list[float]]) -> dict[str, float]:
    """The fastest of each question: what disturbs a machine only ever adds."""
    return {question: min(times) for question, times in seconds.items()}


def same(one: Any, other: Any) -> bool:
    """Whether two answers are equal, but for a sum's last digits: engines add in different orders."""
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)
    return bool(one == other)


def _load(running: Services, dataset: Dataset, files: dict[Month, Path]) -> Asked:
    """The months, into Postgres, the lake and the DuckDB file."""
    for month, file in files.items():
        running.serve(file, str(month), str(dataset))
        seconds = run_contender(running, "models", "load", str(month), dataset)["seconds"]
        say(f"{dataset} {month}: loaded in {seconds:.1f} s")
    lake = Path(running.environment["TLC_LOCAL_DIR"]) / "lake"
    published = [running.folder / "site" / month_path(dataset, month, Source.tlc).lstrip("/") for month in files]
    return Asked(dataset, list(files), published, [lake / lake_object(dataset, month) for month in files])


def _ask(running: Services, asked: Asked, engines: Sequence[str]) -> None:
    for engine in engines:
        paths = {"lake_files": asked.lake_files, "tlc_files": asked.tlc_files}.get(engine, [])
        name = "files" if paths else engine
        times = TIMES if asked.dataset is Dataset.yellow else REAL_TIMES
        arguments = (name, asked.dataset, str(asked.months[-1]), str(times), *map(str, paths))
        asked.add(engine, run_contender(running, "questions", *arguments)["questions"])


def _table(asked: Asked) -> str:
    """Milliseconds of every question, best of all times."""
    fastest = {engine: best(seconds) for engine, seconds in asked.seconds.items()}
    fastest |= {f"{engine}, CPU": best(asked.cpu[engine]) for engine in REAL_ENGINES if engine in asked.cpu}
    lines = [f"{f'{asked.dataset}, ms':36}" + "".join(f"{engine:>21}" for engine in fastest)]
    for question in asked.answers:
        shown = [f"{1000 * found[question]:.1f}" if question in found else "" for found in fastest.values()]
        lines.append(f"{question:36}" + "".join(f"{text:>21}" for text in shown))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
