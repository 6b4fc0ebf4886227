"""A file's columns against the schema: which become which, and which files are refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from flows.tlc.dataset import Dataset
from flows.tlc.errors import MissingColumn, NotTripFile, SchemaError, UnknownColumn
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.transform.conform import kept_name, plan_conform

GREEN, FHV, YELLOW = (schema_of(dataset) for dataset in (Dataset.green, Dataset.fhv, Dataset.yellow))
MONTH = Month(2020, 12)
PICKUP = "lpep_pickup_datetime"


def conform(raw: pa.RecordBatch, schema=GREEN, month=MONTH, **options):
    return plan_conform(schema, month, raw.schema.names, **options).conform(raw)


def test_columns_come_in_schema_order_with_the_month_and_nulls_for_the_absent() -> None:
    raw = pa.record_batch({"trip_distance": [1.5], PICKUP: ["2020-12-01 00:00:00"], "VendorID": [2]})
    trips = conform(raw).trips
    assert tuple(trips.schema.names) == GREEN.names
    assert trips.schema.types == [column.arrow for column in GREEN.columns]
    row = trips.to_pylist()[0]
    assert (row["vendor_id"], row["trip_distance"], row["source_month"]) == (2, 1.5, MONTH.first_day)
    assert row["total_amount"] is None


def test_batches_of_a_size_share_the_columns_that_the_file_lacks() -> None:
    raw = pa.record_batch({PICKUP: ["2020-12-01 00:00:00"] * 100})
    one, other = conform(raw).trips, conform(raw).trips
    for name in ("total_amount", "source_month"):
        assert one.column(name).buffers()[1].address == other.column(name).buffers()[1].address
    assert conform(raw.slice(0, 7)).trips.column("total_amount").null_count == 7


def test_names_differ_in_blanks_and_case_only() -> None:
    raw = pa.record_batch({" LPEP_Pickup_Datetime ": ["2020-12-01"], "Trip_type ": ["1"]})
    assert conform(raw).trips.to_pylist()[0]["trip_type"] == 1


def test_missing_pickup_column_is_named_with_what_the_file_has() -> None:
    with pytest.raises(MissingColumn, match=r"no lpep_pickup_datetime .*it has VendorID, trip_distance"):
        plan_conform(GREEN, MONTH, ["VendorID", "trip_distance"])


def test_two_columns_that_are_one_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"'VendorID' and 'vendorid' are both 'vendor_id'"):
        plan_conform(GREEN, MONTH, [PICKUP, "VendorID", "vendorid"])
    with pytest.raises(SchemaError, match="airport_fee"):
        plan_conform(YELLOW, MONTH, ["tpep_pickup_datetime", "airport_fee", "Airport_fee"])


def test_column_left_out_beside_another_counts_when_alone() -> None:
    both = pa.record_batch(
        {"Pickup_DateTime": ["2018-01-30"], "Dispatching_base_number": ["B1"], "Dispatching_base_num": [""]}
    )
    alone = pa.record_batch({"Pickup_DateTime": ["2018-01-30"], "Dispatching_base_num": ["B2"]})
    assert conform(both, FHV).trips.column("dispatching_base_num").to_pylist() == ["B1"]
    assert conform(alone, FHV).trips.column("dispatching_base_num").to_pylist() == ["B2"]


def test_unknown_columns_are_all_named_with_the_line_to_add() -> None:
    with pytest.raises(UnknownColumn, match=r"columns 'A', 'B' are not in flows/tlc/schemas/green.toml.*2020-12"):
        plan_conform(GREEN, MONTH, [PICKUP, "A", "B"])


@pytest.mark.parametrize("header", [[], [""], ["<!DOCTYPE html>"], ["version https://git-lfs.github.com/spec/v1"]])
def test_header_without_any_known_column_is_no_trip_file(header) -> None:
    for new_columns in ("fail", "keep"):
        with pytest.raises(NotTripFile, match="no column of a green file"):
            plan_conform(GREEN, MONTH, header, new_columns=new_columns)


def test_kept_columns_become_texts_before_the_month() -> None:
    raw = pa.record_batch({PICKUP: ["2020-12-01"], "New Fee": [1.5], "Flag": [None]})
    conformed = conform(raw, new_columns="keep")
    assert conformed.trips.schema.names[-3:] == ["new_fee", "flag", "source_month"]
    assert conformed.trips.to_pylist()[0]["new_fee"] == "1.5"
    assert conformed.trips.schema.field("flag").type == pa.string()


@pytest.mark.parametrize("names", [["total amount", "Total_amount"], ["a b", "a-b"], ["source month"]])
def test_kept_column_may_not_take_anothers_name(names) -> None:
    with pytest.raises(SchemaError, match="another column is called already"):
        plan_conform(GREEN, MONTH, [PICKUP, *names], new_columns="keep")


@pytest.mark.parametrize("name", ["", "  ", "ö" * 80, "x" * 80, '"; drop table x', "1st", "a\x00b"])
def test_kept_names_fit_into_an_identifier(name) -> None:
    kept = kept_name(name)
    assert 1 <= len(kept.encode()) <= 63
    assert set(kept) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")


def test_unloadable_rows_say_which_value_and_the_first_reason_counts() -> None:
    raw = pa.record_batch({"VendorID": [1, 99_999, 2], PICKUP: [None, "nonsense", "2020-12-01"]})
    assert conform(raw).unloadable == {
        0: ("missing_pickup", None),
        1: ("unfit_value", "vendor_id: 99999 is no int16"),
    }
