"""A file's columns against the schema: which become which, and which files are refused."""

from __future__ import annotations

from dataclasses import replace

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


def test_two_columns_that_are_one_give_the_value_of_either() -> None:
    raw = pa.record_batch(
        {PICKUP: ["2020-12-01"] * 4, "VendorID": [1, None, 2, None], "vendorid": ["1", "2", "", None]}
    )
    assert conform(raw).trips.column("vendor_id").to_pylist() == [1, 2, 2, None]


def test_two_columns_that_are_one_and_differ_are_refused_with_the_line_to_add() -> None:
    raw = pa.record_batch({"tpep_pickup_datetime": ["2020-12-01"], "airport_fee": [0.0], "Airport_fee": [1.25]})
    with pytest.raises(
        SchemaError, match=r"both 'airport_fee', and differ \(such as 0.0 and 1.25\).*\"Airport_fee\" = \"airport_fee\""
    ):
        conform(raw, YELLOW)
    chosen = replace(YELLOW, ignored_beside={"Airport_fee": "airport_fee"})
    assert conform(raw, chosen).trips.column("airport_fee").to_pylist() == [0.0]
    alone = raw.drop_columns(["airport_fee"])
    assert conform(alone, chosen).trips.column("airport_fee").to_pylist() == [1.25]


def test_unfit_value_in_either_of_two_columns_rejects_its_row() -> None:
    raw = pa.record_batch({PICKUP: ["2020-12-01"] * 2, "VendorID": [1, 2], "vendorid": ["one", "2"]})
    assert list(conform(raw).unloadable) == [0]


@pytest.mark.parametrize("new_columns", ["fail", "keep"])
@pytest.mark.parametrize("nothing", [[None, None], [b"", b" "], ["", None]])
def test_columns_without_a_name_are_left_out_if_they_are_empty(new_columns, nothing) -> None:
    raw = pa.RecordBatch.from_arrays(
        [pa.array(["2020-12-01"] * 2), pa.array(nothing), pa.array(nothing)], names=[PICKUP, "", " "]
    )
    assert tuple(conform(raw, new_columns=new_columns).trips.schema.names) == GREEN.names


@pytest.mark.parametrize("new_columns", ["fail", "keep"])
@pytest.mark.parametrize("values", [[None, "2.5"], [b"", b"2.5"], [None, 2.5]])
def test_a_value_in_a_column_without_a_name_is_refused_with_its_place(new_columns, values) -> None:
    raw = pa.RecordBatch.from_arrays([pa.array(["2020-12-01"] * 2), pa.array(values)], names=[PICKUP, ""])
    with pytest.raises(SchemaError, match=r"column 2 of the file has no name and values such as '2.5'.*'ignored'"):
        conform(raw, new_columns=new_columns)
    wanted = replace(GREEN, ignored=("",))
    assert conform(raw, wanted, new_columns=new_columns).trips.num_rows == 2


@pytest.mark.parametrize("schema", [schema_of(dataset) for dataset in Dataset], ids=lambda schema: schema.dataset)
@pytest.mark.parametrize("index", ["__index_level_0__", "Unnamed: 0", "unnamed: 0 "])
def test_the_index_of_pandas_is_left_out_of_every_dataset(schema, index) -> None:
    names = [*schema.role("pickup").source_names[:1], index]
    assert plan_conform(schema, MONTH, names, new_columns="keep").schema == schema


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


@pytest.mark.parametrize(
    "name", ["ctid", "XMIN", "tableoid", "rowid", "Pickup Date", "_PARTITIONTIME", "_TABLE_SUFFIX", "1st", "9" * 80]
)
def test_a_name_that_a_target_cannot_have_is_another_in_all(name) -> None:
    kept = kept_name(name)
    assert kept.startswith("kept_")
    assert kept == kept_name(kept)
    assert len(kept) <= 60


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
