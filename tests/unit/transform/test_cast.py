"""One raw column against its declared type: what fits, what becomes null, what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from flows.tlc.column import Column
from flows.tlc.dataset import Dataset
from flows.tlc.schema import schema_of
from flows.transform.cast import cast_values
from flows.transform.rejected import plain_value

SMALL = Column("small", "int16", "A number.", source_names=("small",))
AMOUNT = Column("amount", "float64", "An amount.", source_names=("amount",))
TIME = Column("time", "timestamp", "A time.", source_names=("time",))
TEXT = Column("text", "text", "A text.", source_names=("text",))
YELLOW = schema_of(Dataset.yellow)
NAN = float("nan")
MOMENT = datetime(2020, 1, 2, 3, 4, 5)


def assert_fits(values: pa.Array, column: Column, expected: list, uncastable: list[int]) -> None:
    fitted, rows = cast_values(values, column)
    assert fitted.type == column.arrow
    assert (fitted.to_pylist(), sorted(rows)) == (expected, uncastable)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, None, 3], pa.int64()),
        pa.array([1, None, 3], pa.int32()),
        pa.array([1, None, 3], pa.float64()),
        pa.array([1, NAN, 3], pa.float64(), from_pandas=False),
        pa.array([1, NAN, 3], pa.float32(), from_pandas=False),
        pa.array(["1", None, "3"]),
        pa.array(["1.0", None, "3"]),
        pa.array([" 1", None, "3.00 "]),
        pa.array(["1", "nan", "3"]),
        pa.array([b"1", None, b"3.0"]),
        pa.array(["1", None, "3"], pa.large_string()),
        pa.array(["1", None, "3"]).dictionary_encode(),
    ],
    ids=str,
)
def test_whole_numbers_fit_however_the_source_wrote_them(values) -> None:
    assert_fits(values, SMALL, [1, None, 3], [])
    assert_fits(values, AMOUNT, [1.0, None, 3.0], [])


def test_column_of_type_null_is_null_in_any_type() -> None:
    for column in (SMALL, AMOUNT, TIME, TEXT):
        assert_fits(pa.nulls(2), column, [None, None], [])


@pytest.mark.parametrize("value", [32_768, -32_769, 1.5, float("inf"), 1e300, "x", "1_000", "1;2", b"\xff", MOMENT])
def test_what_is_no_small_whole_number_is_refused_alone(value) -> None:
    assert_fits(pa.array([value]), SMALL, [None], [0])


def test_one_unfit_value_does_not_take_its_neighbours_along() -> None:
    assert_fits(pa.array([1.0, 40_000.0, NAN, 2.5, 7.0]), SMALL, [1, None, None, None, 7], [1, 3])
    assert_fits(pa.array(["32767", "32768", "-32768", None]), SMALL, [32_767, None, -32_768, None], [1])


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_unit_become_microseconds(unit) -> None:
    assert_fits(pa.array([MOMENT, None], pa.timestamp(unit)), TIME, [MOMENT, None], [])


def test_nanoseconds_are_cut() -> None:
    assert_fits(
        pa.array([1_577_934_245_123_456_789], pa.timestamp("ns")), TIME, [datetime(2020, 1, 2, 3, 4, 5, 123_456)], []
    )


def test_nanoseconds_before_1970_are_cut_and_not_made_later() -> None:
    last = datetime(1969, 12, 31, 23, 59, 59, 999_999)
    assert_fits(pa.array([-1, -1_000, None], pa.timestamp("ns")), TIME, [last, last, None], [])
    assert_fits(pa.array(["1969-12-31 23:59:59.999999999"]), TIME, [last], [])


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()], ids=str)
def test_a_column_of_times_that_are_all_missing_may_be_of_numbers(kind) -> None:
    nothing = pa.array([NAN, None, NAN], pa.float64(), from_pandas=False).cast(kind)
    for column in (TIME, DAYS, SMALL, AMOUNT, TEXT):
        assert_fits(nothing, column, [None, None, None], [])
    assert_fits(pa.array([NAN, 1.0], from_pandas=False), TIME, [None, None], [1])


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-01-02 03:04:05", MOMENT),
        ("2020-01-02T03:04:05", MOMENT),
        (" 2020-01-02 03:04:05", MOMENT),
        ("2020-01-02 03:04:05.250000", MOMENT.replace(microsecond=250_000)),
        ("2020-01-02 03:04:05.123456789", MOMENT.replace(microsecond=123_456)),
        ("2020-01-02", datetime(2020, 1, 2)),
        ("3019-01-01 00:00:00", datetime(3019, 1, 1)),
    ],
)
def test_times_in_the_sources_forms_are_read(text, moment) -> None:
    assert_fits(pa.array([text, None]), TIME, [moment, None], [])
    assert_fits(pa.array([text.encode(), None]), TIME, [moment, None], [])


@pytest.mark.parametrize(
    "text",
    [
        "1/1/2020 0:28",
        "01/02/2020",
        "2020-01-02 03:04:05Z",
        "2020-01-02T03:04:05-05:00",
        "2020-13-01",
        "0",
        "2020-W40-4",
    ],
)
def test_times_in_other_forms_are_refused_not_guessed(text) -> None:
    assert_fits(pa.array(["2020-01-02 03:04:05", text]), TIME, [MOMENT, None], [1])


@pytest.mark.parametrize(
    "values",
    [
        pa.array([20_200_102], pa.int64()),
        pa.array([1], pa.int32()),
        pa.array([1.0]),
        pa.array([MOMENT.replace(tzinfo=UTC)], pa.timestamp("us", "UTC")),
        pa.array([2**62], pa.timestamp("s")),
        pa.array([2**63 - 1], pa.timestamp("us")),
        pa.array([-(2**63) + 1], pa.timestamp("us")),
    ],
    ids=str,
)
def test_what_is_no_wall_clock_time_is_refused(values) -> None:
    assert_fits(values, TIME, [None], [0])


def test_dates_are_midnights() -> None:
    assert_fits(pa.array([date(2020, 1, 2)]), TIME, [datetime(2020, 1, 2)], [])


def test_texts_with_nul_or_without_utf8_are_refused() -> None:
    assert_fits(pa.array(["a", "b\x00", None]), TEXT, ["a", None, None], [1])
    assert_fits(pa.array([b"a", b"\xff", None, "ü".encode()]), TEXT, ["a", None, None, "ü"], [1])


def test_text_codes_of_2009_and_2010_become_numbers() -> None:
    vendor = YELLOW.column("vendor_id")
    assert_fits(pa.array(["CMT", "VTS", " dds ", "1", None]), vendor, [1, 2, 3, 1, None], [])
    assert_fits(pa.array(["CMT", "XYZ"]), vendor, [1, None], [1])
    payment = YELLOW.column("payment_type")
    assert_fits(pa.array(["CASH", "Credit", "CRD", "Cas", "No Charge", "Dispute"]), payment, [2, 1, 1, 2, 3, 4], [])


def test_bytes_without_utf8_do_not_spoil_the_codes_beside_them() -> None:
    assert_fits(pa.array([b"CMT", b"\xff", b"VTS"]), YELLOW.column("vendor_id"), [1, None, 2], [1])
    assert_fits(pa.array([b"0", b"\xff", b"Y"]), YELLOW.column("store_and_fwd_flag"), ["N", None, "Y"], [1])


@pytest.mark.parametrize(
    "values",
    [
        pa.array([0.0, 1.0, None, NAN], from_pandas=False),
        pa.array(["0", "1", None, None]),
        pa.array(["0.0", " 1.0", None, None]),
        pa.array([0, 1, None, None]),
        pa.array(["N", "Y", None, None]),
    ],
    ids=str,
)
def test_flags_of_every_era_become_letters(values) -> None:
    assert_fits(values, YELLOW.column("store_and_fwd_flag"), ["N", "Y", None, None], [])


def test_empty_batches_fit() -> None:
    for column in (SMALL, AMOUNT, TIME, TEXT, YELLOW.column("vendor_id")):
        for kind in (pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.null()):
            fitted, uncastable = cast_values(pa.array([], kind), column)
            assert (fitted.type, len(fitted), uncastable) == (column.arrow, 0, [])


DAYS = Column("day", "date", "A day.", source_names=("day",))
GREEN_FLAG = schema_of(Dataset.green).column("store_and_fwd_flag")


@pytest.mark.parametrize(
    "written", ["", " ", "  ", r"\N", "NULL", "null", "NA", "N/A", "n/a", "None", "-", " - ", "NaN"]
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()], ids=str)
def test_missing_values_are_null_however_they_are_written(written, kind) -> None:
    for column, other in ((SMALL, "1"), (AMOUNT, "1"), (TIME, "2020-01-02 03:04:05"), (DAYS, "2020-01-02")):
        fitted, uncastable = cast_values(pa.array([written, other]).cast(kind), column)
        assert (fitted.null_count, fitted[1].is_valid, uncastable) == (1, True, [])
    assert_fits(pa.array([written]).cast(kind), TEXT, [written], [])


def test_na_is_a_payment_type_all_the_same() -> None:
    assert_fits(pa.array(["NA", " na", "-"]), YELLOW.column("payment_type"), [5, 5, None], [])


@pytest.mark.parametrize(
    "text",
    [
        "0x1F",
        "1_000",
        "１",
        "1,5",
        "$1",
        "inf",
        "-Infinity",
        "1e999",
        "nan(1)",
        "+-1",
        "1e",
        ".",
        "true",
        "1 000",
        "\x001",
    ],
)
def test_what_is_no_number_is_none_beside_any_other(text) -> None:
    for column in (SMALL, AMOUNT):
        assert_fits(pa.array([text, "1"]), column, [None, 1], [0])
        assert_fits(pa.array([text]), column, [None], [0])


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()], ids=str)
def test_infinite_numbers_are_refused(kind) -> None:
    values = pa.array([1.5, float("inf"), NAN, float("-inf"), None], kind, from_pandas=False)
    assert_fits(values, AMOUNT, [1.5, None, None, None, None], [1, 3])
    assert_fits(values.slice(1), SMALL, [None] * 4, [0, 2])


def test_decimals_become_the_nearest_double() -> None:
    amounts = [Decimal("25.90"), Decimal("12.80"), None, Decimal("-0.10"), Decimal("9.99")]
    for kind in (pa.decimal128(10, 2), pa.decimal256(50, 2), pa.decimal64(10, 2)):
        assert_fits(pa.array(amounts, kind), AMOUNT, [25.9, 12.8, None, -0.1, 9.99], [])
    assert_fits(pa.array([Decimal("1.00"), Decimal("1.50")]), SMALL, [1, None], [1])


@pytest.mark.parametrize(
    "values",
    [
        pa.array([False, True, None]),
        pa.array(["False", "TRUE", None]),
        pa.array([0, 1, None]),
        pa.array(["0", "1.0", None]),
    ],
    ids=str,
)
def test_flags_of_other_programs_become_letters(values) -> None:
    fhvhv = schema_of(Dataset.fhvhv)
    flags = [column for column in fhvhv.trip_columns if column.name.endswith("_flag") and column.type == "text"]
    assert len(flags) == 5
    for flag in (GREEN_FLAG, YELLOW.column("store_and_fwd_flag"), *flags):
        assert_fits(values, flag, ["N", "Y", None], [])


def test_booleans_stand_for_nothing_but_flags() -> None:
    values = pa.array([False, True, None])
    assert_fits(values, schema_of(Dataset.fhv).column("sr_flag"), [0, 1, None], [])
    for column in (SMALL, AMOUNT, TIME, schema_of(Dataset.fhvhv).column("hvfhs_license_num")):
        assert_fits(values, column, [None, None, None], [0, 1])
    assert_fits(values, TEXT, ["false", "true", None], [])


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()],
    ids=str,
)
def test_text_of_every_kind_is_read_alike(kind) -> None:
    assert_fits(pa.array(["CASH", "Cre", None]).cast(kind), YELLOW.column("payment_type"), [2, 1, None], [])
    words = pa.DictionaryArray.from_arrays([0, None, 1], pa.array(["N", "Y"]).cast(kind))
    assert_fits(words, GREEN_FLAG, ["N", None, "Y"], [])


def test_text_of_fixed_size_is_read_without_what_fills_it_up() -> None:
    payment = YELLOW.column("payment_type")
    assert_fits(pa.array([b"CASH\0\0", b"Credit", b"NOC   ", None], pa.binary(6)), payment, [2, 1, 3, None], [])
    assert_fits(pa.array([b"N\0", b"\0\0"], pa.binary(2)), GREEN_FLAG, ["N", ""], [])
    assert_fits(pa.array([b"1\0", b"\0\0"], pa.binary(2)), SMALL, [1, None], [])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_strings_without_utf8_are_refused_alone(kind) -> None:
    raw = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}[kind]
    values = pa.array([b"N", b"N\xe9", "é".encode(), None], raw).view(kind)
    assert_fits(values, GREEN_FLAG, ["N", None, "é", None], [1])
    assert_fits(values.slice(1), TEXT, [None, "é", None], [0])
    assert plain_value(values[1]) == b"N\xe9"
