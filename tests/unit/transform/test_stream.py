"""A whole file through conform and check: every row is loaded or rejected, and counted once."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest

from deployments.tlc_site.synthetic.file_formats import raw_schema
from deployments.tlc_site.synthetic.months import TODAY, make_month, published
from flows.extract.read.trip_file import RaggedLine
from flows.tlc.dataset import Dataset, dataset_info
from flows.tlc.errors import TooManyBadRows
from flows.tlc.month import Month, months_between
from flows.tlc.rules import UNLOADABLE, rules_for
from flows.tlc.schema import schema_of
from flows.transform import stream
from flows.transform.conform import plan_conform
from flows.transform.stream import TripStream

GREEN = schema_of(Dataset.green)
MONTH = Month(2020, 12)
NAMES = ["VendorID", "lpep_pickup_datetime", "passenger_count", "trip_distance", "total_amount"]
GOOD = ["1", "2020-12-05 10:00:00", "1", "1.5", "9.5"]


@dataclass
class RowsInMemory:
    """A trip file's rows, in batches, with ragged lines before some of them; ``rest``: batches that never come."""

    batches_of_rows: list[pa.RecordBatch]
    ragged: dict[int, list[RaggedLine]] = field(default_factory=dict)
    rows: int | None = None
    batches_read: int = 0
    rest: int = 0
    _met: list[RaggedLine] = field(default_factory=list)

    def batches(self) -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(self.batches_of_rows):
            self._met += self.ragged.get(number, [])
            self.batches_read = number + 1
            yield batch
        self._met += self.ragged.get(-1, [])

    def take_ragged(self) -> list[RaggedLine]:
        met, self._met = self._met, []
        return met

    def fraction_read(self) -> float:
        return self.batches_read / (len(self.batches_of_rows) + self.rest)


def batch_of(rows: list[list[str | None]]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [[] for _ in NAMES]
    return pa.record_batch([pa.array(list(column), pa.string()) for column in columns], names=NAMES)


def changed(**values: str | None) -> list[str | None]:
    return [values.get(name, good) for name, good in zip(NAMES, GOOD, strict=True)]


def run(file: Any, *, drop_rules=(), share=1.0, schema=GREEN, month=MONTH, names=NAMES):
    """The stream's counts, its trips and its rejected rows."""
    rejected: list[pa.RecordBatch] = []
    stream = TripStream(file, plan_conform(schema, month, names), rejected.append, drop_rules, share)
    trips = list(stream)
    for batch in trips:
        assert batch.schema == stream.schema
        batch.validate(full=True)
        for column in schema.columns:
            assert not (column.required and batch.column(column.name).null_count)
    rows = [row for batch in trips for row in batch.to_pylist()]
    return stream.counts, rows, [row for batch in rejected for row in batch.to_pylist()]


def test_dropped_row_is_rejected_under_the_first_rule_it_breaks() -> None:
    both = changed(trip_distance="0", total_amount="-1")
    counts, trips, rejected = run(
        RowsInMemory([batch_of([GOOD, both])]), drop_rules=["zero_distance", "negative_total"]
    )
    assert counts.rejected == {"negative_total": 1}
    assert (len(trips), counts.rows_flagged, dict(counts.flagged)) == (1, 0, {})
    assert rejected[0] | {"record": ""} == {"rule": "negative_total", "detail": None, "row_number": 2, "record": ""}
    assert json.loads(rejected[0]["record"]) == dict(zip(NAMES, both, strict=True))


def test_unloadable_counts_before_any_dropped_rule() -> None:
    row = changed(VendorID="70000", trip_distance="0")
    counts, _, rejected = run(RowsInMemory([batch_of([row])]), drop_rules=["zero_distance"])
    assert counts.rejected == {"unfit_value": 1}
    assert rejected[0]["detail"] == "vendor_id: '70000' is no int16"


def test_flagged_row_counts_under_each_rule_and_once_in_all() -> None:
    counts, trips, _ = run(RowsInMemory([batch_of([changed(trip_distance="0", total_amount="-1"), GOOD])]))
    assert dict(counts.flagged) == {"negative_total": 1, "zero_distance": 1}
    assert (counts.rows_flagged, len(trips)) == (1, 2)


def test_row_that_a_dropped_rule_takes_is_not_flagged_under_another() -> None:
    row = changed(trip_distance="0", total_amount="-1")
    counts, _, _ = run(RowsInMemory([batch_of([row, GOOD])]), drop_rules=["zero_distance"])
    assert (dict(counts.rejected), dict(counts.flagged), counts.rows_flagged) == ({"zero_distance": 1}, {}, 0)


@pytest.mark.parametrize(("bad", "fails"), [(0, False), (1, False), (2, False), (3, True), (200, True)])
def test_more_than_one_percent_unloadable_rows_fail(bad, fails) -> None:
    rows = [changed(lpep_pickup_datetime=None)] * bad + [GOOD] * (200 - bad)
    file = RowsInMemory([batch_of(rows[start : start + 30]) for start in range(0, 200, 30)])
    if fails:
        with pytest.raises(TooManyBadRows, match=rf"^{bad} of 200 rows .*{bad} missing_pickup.*at most 1.0% may"):
            run(file, share=0.01)
    else:
        assert run(file, share=0.01)[0].rejected.total() == bad


@pytest.mark.parametrize(("bad_from", "batches_read"), [(0, 2), (300, 5)])
def test_month_ends_once_its_bad_rows_are_too_many_for_all_of_it(bad_from, batches_read) -> None:
    rows = [GOOD] * bad_from + [changed(passenger_count="many")] * 1_700
    file = RowsInMemory([batch_of(rows[start : start + 100]) for start in range(0, 10_000, 100)], rows=10_000)
    with pytest.raises(TooManyBadRows, match=r"^\d+ of the first [\d,]+ rows cannot be loaded"):
        run(file, share=0.01)
    assert file.batches_read == batches_read


def test_csv_file_ends_once_its_bad_rows_are_too_many_for_all_that_it_can_have(monkeypatch) -> None:
    monkeypatch.setattr(stream, "_ROWS_TO_JUDGE_BY", 2_000)
    batch, bad = batch_of([GOOD] * 100), batch_of([changed(passenger_count="many")] * 100)
    file = RowsInMemory([bad] * 3 + [batch] * 497)
    assert run(file, share=0.01)[0].rows_rejected == 300
    file = RowsInMemory([bad] * 50)
    with pytest.raises(TooManyBadRows, match=r"^2,000 of the first 2,000 rows"):
        run(file, share=0.01)


def test_csv_file_ends_at_a_share_of_the_most_rows_however_long_its_rest_seems(monkeypatch) -> None:
    monkeypatch.setattr(stream, "_ROWS_TO_JUDGE_BY", 2_000)
    monkeypatch.setattr(stream, "MOST_ROWS", 250_000)
    line, none = RaggedLine(None, 1, 5, "a"), batch_of([])
    file = RowsInMemory([none] * 50, {number: [line] * 100 for number in range(50)}, rest=10**9)
    with pytest.raises(TooManyBadRows, match=r"^2,600 of the first 2,600 rows"):
        run(file, share=0.01)


SPOILT = [
    ({"lpep_pickup_datetime": "12/01/2020 12:29:37 AM"}, "'12/01/2020 12:29:37 AM' (a US date; expected YYYY-MM-DD"),
    ({"lpep_pickup_datetime": "2020-12-01T05:29:37Z"}, "(a time with a zone; expected YYYY-MM-DD hh:mm:ss, New York"),
    ({"lpep_pickup_datetime": "1606782577"}, "'1606782577' (an epoch number; expected"),
    ({"lpep_pickup_datetime": "2020-02-30 00:00:00"}, "(no time of any calendar; expected"),
    ({"lpep_pickup_datetime": "yesterday"}, "'yesterday' (a word; expected"),
    ({"passenger_count": "many"}, "passenger_count has 10 values such as 'many' (a word; expected a whole number"),
    ({"passenger_count": "1.5"}, "(a number with a fraction; expected a whole number from -32,768 to 32,767)"),
    ({"passenger_count": "70000"}, "(a number too large for its type; expected"),
    ({"total_amount": "1,234.50"}, "(a number with commas between thousands; expected a number)"),
    ({"total_amount": "12,50"}, "(a number with a decimal comma;"),
    ({"total_amount": "$12.50"}, "(an amount with its currency;"),
    ({"total_amount": "-Infinity"}, "(an infinite number;"),
    ({"total_amount": "0x1F"}, "(a hexadecimal number;"),
    ({"total_amount": "x" * 1_000}, f"such as '{'x' * 40}…' (a word;"),
    ({"lpep_pickup_datetime": None}, "lpep_pickup_datetime has no value in 10 rows"),
]


@pytest.mark.parametrize(("values", "words"), SPOILT, ids=lambda value: str(value)[:40])
def test_error_names_column_value_and_what_it_looks_like(values, words) -> None:
    file = RowsInMemory([batch_of([changed(**values)] * 5 + [GOOD]), batch_of([changed(**values)] * 5)])
    with pytest.raises(TooManyBadRows) as caught:
        run(file, share=0.01)
    assert words in str(caught.value)
    assert "shifted" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_error_names_lines_and_different_values_once() -> None:
    rows = [changed(passenger_count=count) for count in ("two", "two", "three", "four")]
    file = RowsInMemory([batch_of(rows)], {0: [RaggedLine(2, 7, 5, "1,2,3,4,5,6,7")] * 3})
    with pytest.raises(TooManyBadRows) as caught:
        run(file, share=0.01)
    assert "passenger_count has 4 values such as 'two' and 'three' (a word; expected" in str(caught.value)
    assert "3 lines that are no rows, such as '1,2,3,4,5,6,7' (7 fields, expected 5)" in str(caught.value)


def test_error_guesses_shifted_columns_only_if_many_have_other_values() -> None:
    rows = [["2020-12-05 10:00:00", "1", "one", "x", "y"]] * 4
    with pytest.raises(TooManyBadRows, match=r"so have 2 more columns.*its columns may have shifted") as caught:
        run(RowsInMemory([batch_of(rows)]), share=0.01)
    assert "vendor_id has 4 values such as '2020-12-05 10:00:00' (a time;" in str(caught.value)


def test_error_says_where_new_words_are_declared() -> None:
    schema, names = schema_of(Dataset.yellow), ["Trip_Pickup_DateTime", "Payment_Type"]
    words = pa.record_batch([["2009-01-05 10:00:00"] * 2, ["Barter", "CASH"]], names=names)
    with pytest.raises(TooManyBadRows, match=r"'Barter' \(a word;.* text_codes of payment_type in flows/tlc/schemas/y"):
        run(RowsInMemory([words]), share=0.01, schema=schema, month=Month(2009, 1), names=names)


def test_error_names_the_zone_of_typed_times() -> None:
    schema, names = schema_of(Dataset.green), ["lpep_pickup_datetime"]
    times = pa.record_batch([pa.array([0, 1], pa.timestamp("us", "UTC"))], names=names)
    with pytest.raises(TooManyBadRows, match=r"lpep_pickup_datetime .*its times have the time zone UTC; expected"):
        run(RowsInMemory([times]), share=0.01, schema=schema, names=names)


def test_dropped_rules_do_not_count_as_bad_rows() -> None:
    rows = [changed(trip_distance="0")] * 50 + [GOOD] * 50
    assert run(RowsInMemory([batch_of(rows)]), drop_rules=["zero_distance"], share=0.01)[0].rows_loaded == 50


def test_ragged_lines_are_rejected_wherever_they_stand() -> None:
    line = RaggedLine(3, 7, 5, "1,2,3,4,5,6,\x007")
    file = RowsInMemory([batch_of([GOOD]), batch_of([GOOD])], {0: [line], 1: [line] * 2, -1: [line]})
    counts, _, rejected = run(file)
    assert (counts.rows_read, counts.rows_loaded, counts.rejected) == (6, 2, {"ragged_line": 4})
    assert rejected[0]["detail"] == "7 fields, expected 5"
    assert json.loads(rejected[0]["record"]) == {"line": "1,2,3,4,5,6,\\u00007"}


def test_file_without_rows_is_no_error() -> None:
    assert run(RowsInMemory([]))[0].rows_read == 0
    assert run(RowsInMemory([batch_of([])]))[0].rows_read == 0


VALUES = {
    "VendorID": ["1", "2", "2.0", "9", "x", "70000", None],
    "lpep_pickup_datetime": ["2020-12-05 10:00:00", "2009-01-01", "1/1/2020 0:28", None],
    "passenger_count": ["1", "0", "0.0", None, "1.5", "\x00"],
    "trip_distance": ["1.5", "0", "168065", "-1", "nan", None, "far"],
    "total_amount": ["9.5", "-9.5", "0", None, "1e400"],
}


@pytest.mark.parametrize("seed", range(25))
def test_counts_add_up_whatever_the_rows(seed) -> None:
    """Nothing is lost: loaded and rejected rows together are the rows read, row for row."""
    draw = random.Random(seed)
    rows = [
        [draw.choice(VALUES[name][: draw.choice([1, 2, 9])]) for name in NAMES] for _ in range(draw.randint(1, 300))
    ]
    cuts = sorted({0, len(rows), *(draw.randint(0, len(rows)) for _ in range(draw.randint(0, 6)))})
    batches = [batch_of(rows[start:end]) for start, end in pairwise(cuts)]
    ragged = {number: [RaggedLine(None, 9, 5, "?")] * draw.randint(0, 3) for number in (-1, 0)}
    lines = sum(len(found) for found in ragged.values())
    drop = [rule.name for rule in rules_for(GREEN) if draw.random() < 0.3]
    counts, trips, rejected = run(RowsInMemory(batches, ragged), drop_rules=drop)

    assert counts.rows_read == len(rows) + lines == counts.rows_loaded + counts.rows_rejected
    assert (len(trips), len(rejected)) == (counts.rows_loaded, counts.rows_rejected)
    assert Counter(row["rule"] for row in rejected) == counts.rejected
    assert set(counts.rejected) <= {*UNLOADABLE, *drop}
    assert not set(counts.flagged) & set(drop)
    assert max(counts.flagged.values(), default=0) <= counts.rows_flagged <= sum(counts.flagged.values())
    numbers = [row["row_number"] for row in rejected if row["rule"] != "ragged_line"]
    assert len(set(numbers)) == len(numbers)
    assert counts.flagged["zero_distance"] == (sum(trip["trip_distance"] == 0 for trip in trips))
    assert counts.flagged["no_passengers"] == (sum(trip["passenger_count"] == 0 for trip in trips))


def eras() -> list[tuple[Dataset, Month]]:
    """The first month of every raw schema that the source has ever had."""
    found = []
    for dataset in Dataset:
        before = None
        for month in months_between(dataset_info(dataset).first_month, Month.of(TODAY)):
            if published(dataset, month) and (schema := raw_schema(dataset, month)) != before:
                found.append((dataset, month))
                before = schema
    return found


@pytest.mark.parametrize(("dataset", "month"), eras(), ids=str)
def test_months_of_every_era_lose_no_row(dataset, month) -> None:
    table = make_month(dataset, month, 1_500)
    file = RowsInMemory(table.to_batches(max_chunksize=400))
    counts, trips, rejected = run(file, schema=schema_of(dataset), month=month, names=table.schema.names, share=0.01)

    no_pickup = sum(row["rule"] == "missing_pickup" for row in rejected)
    assert counts.rows_read == table.num_rows == len(trips) + len(rejected)
    assert no_pickup == counts.rows_rejected > 0
    assert counts.flagged["pickup_outside_month"] >= 3
    assert {trip["source_month"] for trip in trips} == {month.first_day}


@pytest.mark.parametrize(("dataset", "month"), eras(), ids=str)
def test_clean_months_of_every_era_are_loaded_whole(dataset, month) -> None:
    table = make_month(dataset, month, 300, anomalies=False)
    file = RowsInMemory(table.to_batches())
    counts, trips, _ = run(file, schema=schema_of(dataset), month=month, names=table.schema.names, share=0.0)
    assert len(trips) == table.num_rows
    assert set(counts.flagged) <= {"unknown_vendor"}  # 4, which yellow files of 2019 have and no dictionary explains
