"""Mutated files are read right or refused with a sentence; what judges them finds faults that are made on purpose."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from flows.transform.conform import Conformed, Conformer
from tests.conftest import Database
from tests.fuzz.cases import KINDS, run_case
from tests.fuzz.loads import load_everywhere
from tests.fuzz.supervise import Tally, run_cases

SEED = "suite"
CASES = 6 * len(KINDS)


def test_mutated_files_are_read_right_or_refused(tlc: Path) -> None:
    tally = Tally()
    for index in range(CASES):
        tally.add(index, run_case(SEED, index))
    assert tally.violations == []
    assert tally.kinds["right"] > CASES / 5
    assert sum(count for kind, count in tally.kinds.items() if kind.startswith("refused")) > CASES / 5


def test_what_is_read_right_is_right_in_every_target(tlc: Path, database: Database) -> None:
    outcomes = [run_case(SEED, index, lambda case: load_everywhere(case, database.url)) for index in range(len(KINDS))]
    assert [outcome.words for outcome in outcomes if outcome.kind == "violation"] == []
    assert any(outcome.rows for outcome in outcomes)


def _without_the_last_row(trips: pa.RecordBatch) -> pa.RecordBatch:
    return trips.slice(0, max(0, trips.num_rows - 1))


def _with_swapped_zones(trips: pa.RecordBatch) -> pa.RecordBatch:
    names = {"pu_location_id": "do_location_id", "do_location_id": "pu_location_id"}
    return pa.record_batch([trips[names.get(name, name)] for name in trips.schema.names], schema=trips.schema)


def _with_rounded_times(trips: pa.RecordBatch) -> pa.RecordBatch:
    place = next(place for place, name in enumerate(trips.schema.names) if name.endswith("dropoff_datetime"))
    minutes = pc.floor_temporal(trips.column(place), unit="minute")
    return trips.set_column(place, trips.schema.field(place), minutes)


@pytest.mark.parametrize("broken", [_without_the_last_row, _with_swapped_zones, _with_rounded_times])
def test_a_fault_of_reading_is_found(tlc: Path, monkeypatch: pytest.MonkeyPatch, broken: Callable) -> None:
    conform = Conformer.conform

    def faulty(self: Conformer, raw: pa.RecordBatch) -> Conformed:
        conformed = conform(self, raw)
        return conformed if conformed.unloadable else Conformed(broken(conformed.trips), {})

    monkeypatch.setattr(Conformer, "conform", faulty)
    kinds = [run_case(SEED, index).kind for index in range(CASES)]
    assert kinds.count("violation") > CASES / 20


def test_a_worker_that_is_lost_is_a_violation_and_is_replaced(tlc: Path) -> None:
    cases = run_cases(SEED, goes_on=lambda index: index < 3)
    first = next(cases)
    for worker in multiprocessing.active_children():
        worker.kill()
    _, lost = next(cases)
    after = list(islice(cases, 2))
    assert lost.words == "lost: the process aborted"
    assert [index for index, _ in [first, *after]] == [0, 2]
