"""Cases by number: a mutated file of one kind each, and what has to become of it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa

from flows.extract.read.zones import read_zones
from flows.tlc.dataset import Dataset, Source
from flows.tlc.errors import TripLoadError
from flows.tlc.identity import MonthRequest
from flows.tlc.month import Month
from tests.fuzz import bases, columns, csv_cases, oracle, parquet_cases
from tests.fuzz.damage import damage
from tests.fuzz.footers import judge_footer
from tests.fuzz.judge import Case, Outcome, judge, judge_refusal
from tests.fuzz.oracle import Day, Expected, Other, Stamp

# After so many rows a whole file goes through several batches, and blocks, of so many rows, or bytes.
SIZES = [(16_384, 2 << 20), (64, 4_096), (7, 300)]


def run_case(seed: str, index: int, also: Callable[[Case], str] = lambda _case: "") -> Outcome:
    """The case of that number; ``also`` is asked for more faults of a file that was read right."""
    random = Random(f"{seed} {index}")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        kind = KINDS[index % len(KINDS)]
        if kind == "zones":
            return _judge_zones(random, Path(folder))
        try:
            case = _MAKE[kind](random, Path(folder))
        except (pa.ArrowException, NotImplementedError, OverflowError) as error:
            return Outcome("unwritable", f"{kind}: {error}")
        outcome = judge(case)
        if case.kind == "parquet" and (fault := judge_footer(case)):
            return Outcome("violation", f"{kind} {case.request.dataset}: {fault}")
        if outcome.kind == "right" and outcome.rows and (fault := also(case)):
            return Outcome("violation", f"{kind} {case.request.dataset}: {fault}")
        return replace(outcome, words=f"{kind} {case.request.dataset} {case.request.month}: {outcome.words}")


def _request(random: Random, dataset: str, month: str, source: Source) -> MonthRequest:
    keep = random.choice(["fail", "fail", "keep"])
    return MonthRequest(Dataset(dataset), Month.parse(month), source, new_columns=keep)


def _make_parquet(random: Random, folder: Path) -> tuple[Case, bool]:
    base = bases.parquet_base(*random.choice(list(bases.PARQUET)))
    request = _request(random, base.dataset, base.month, Source.tlc)
    case = Case("parquet", folder / "trips.parquet", request, random.choice([0.01, 1.0, 1.0]), None, SIZES[0])
    case.sizes = random.choice(SIZES)
    columns = parquet_cases.make_columns(random, base)
    has_checksums = parquet_cases.write(random, columns, case.path)
    rows = list(zip(*(column.values for column in columns), strict=True))
    case.expected = _expect(case, [column.name for column in columns], rows, "parquet")
    if any(pa.types.is_nested(column.array.type) for column in columns):
        case.expected.must_fail = "a column has lists or parts"
    return case, has_checksums


def _expect(case: Case, header: list[str], rows: list[Any], file_format: str, lost: int = 0) -> Expected:
    dataset, keep = str(case.request.dataset), case.request.new_columns == "keep"
    found = columns.plan(dataset, str(case.request.month), header, file_format, keep=keep)
    return oracle.expect(dataset, found, rows, lost, case.share)


def _table(random: Random, folder: Path) -> Case:
    return _make_parquet(random, folder)[0]


def _damaged(random: Random, folder: Path, *, footer: bool = False) -> Case:
    """A Parquet file with damaged bytes. Checksums in its pages show any damage but that of footer and headers."""
    case, has_checksums = _make_parquet(random, folder)
    content = case.path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little") + 8
    damaged = damage(random, content, from_end=length if footer else None)
    case.path.write_bytes(damaged)
    case.is_whole = False
    pages_only = len(damaged) == len(content) and damaged[-length:] == content[-length:]
    if case.expected is not None and has_checksums and pages_only:
        case.expected.may_fail = True
        return case
    case.expected = _read_by_duckdb(case)
    return case


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1, "memory_limit": "300MB"})


def _read_by_duckdb(case: Case) -> Expected | None:
    try:
        query = _duckdb().execute("select * from read_parquet(?)", [str(case.path)])
        names = _as_written([column[0] for column in query.description])
        rows = [tuple(map(_from_duckdb, row)) for row in query.fetchall()]
    except (duckdb.Error, ValueError, OverflowError, RuntimeError):
        _duckdb.cache_clear()
        return None
    expected = _expect(case, names, rows, "parquet")
    expected.may_fail = True
    return expected


def _as_written(names: list[str]) -> list[str]:
    """The names without the numbers that DuckDB gives to a second column of a name."""
    folded = [columns.fold(name) for name in names]
    return [
        re.sub(r"_\d+$", "", name) if columns.fold(re.sub(r"_\d+$", "", name)) in folded else name for name in names
    ]


def _from_duckdb(value: Any) -> Any:
    if isinstance(value, bytes) and value.endswith(b"\0"):
        raise ValueError("a text that may have been filled up")
    if hasattr(value, "hour") and hasattr(value, "year"):
        plain = value.replace(tzinfo=None)
        if plain == oracle.EPOCH:  # or a nanosecond earlier, which Python cannot say
            raise ValueError("a time that may have been rounded")
        return Stamp((plain - oracle.EPOCH) // timedelta(microseconds=1), "us", value.tzinfo and "UTC")
    if hasattr(value, "toordinal"):
        if value in (date.min, date.max):  # or a date that Python does not have
            raise ValueError("a date that may be an infinite one")
        return Day((value - oracle.EPOCH.date()).days)
    if hasattr(value, "hour"):
        return oracle.Like(bool)
    return Other() if isinstance(value, list | dict) else value


def _csv(random: Random, folder: Path, *, damaged: bool = False) -> Case:
    base = bases.csv_base(*random.choice(list(bases.CSV)))
    request = _request(random, base.dataset, base.month, Source.mirror)
    case = Case("csv", folder / "trips.csv.gz", request, random.choice([0.01, 1.0, 1.0]), None, random.choice(SIZES))
    case.path.write_bytes(csv_cases.make(random, base, damaged=damaged))
    reading = csv_cases.read(case.path.read_bytes())
    case.expected = _expect(case, reading.header, reading.rows, "csv", reading.lost)
    case.expected.may_fail = case.expected.may_fail or reading.doubtful
    case.expected.must_fail = reading.broken or case.expected.must_fail
    return case


def _judge_zones(random: Random, folder: Path) -> Outcome:
    path = folder / "taxi_zone_lookup.csv"
    path.write_bytes(damage(random, csv_cases.packed_zones(random, bases.zones_base())))
    expected = csv_cases.read_zones(path.read_bytes())
    try:
        got = [(zone.location_id, zone.borough, zone.zone, zone.service_zone) for zone in read_zones(path)]
    except TripLoadError as error:
        return judge_refusal(Expected(may_fail=expected is None), error)
    except Exception as error:  # the very thing that is looked for
        return Outcome("violation", f"zones: bare {type(error).__name__}: {error}")
    if got == expected:
        return Outcome("right", rows=len(got))
    differing = [pair for pair in zip(got, expected or (), strict=False) if pair[0] != pair[1]]
    return Outcome("violation", f"zones: {len(got)} read, expected {len(expected or ())}: {differing[:2]}")


_MAKE: dict[str, Callable[[Random, Path], Case]] = {
    "parquet values": _table,
    "parquet bytes": _damaged,
    "parquet footer": lambda random, folder: _damaged(random, folder, footer=True),
    "csv values": _csv,
    "csv bytes": lambda random, folder: _csv(random, folder, damaged=True),
}
KINDS = ["parquet values", "csv values", "parquet bytes", "csv bytes", "parquet values", "csv values", "parquet footer"]
KINDS += ["parquet values", "csv values", "zones"]
