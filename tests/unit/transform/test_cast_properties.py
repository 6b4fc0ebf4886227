"""Any values of any type in any column: each fits or not by itself, and nothing is raised."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flows.tlc.column import Column
from flows.tlc.column_types import COLUMN_TYPES
from flows.tlc.dataset import Dataset
from flows.tlc.schema import schema_of
from flows.transform.cast import cast_values
from flows.transform.rejected import plain_value, rejected_rows

NAN = float("nan")
COLUMNS = [
    *(Column(kind, kind, "Any.", source_names=(kind,)) for kind in COLUMN_TYPES),
    schema_of(Dataset.yellow).column("payment_type"),
    schema_of(Dataset.yellow).column("store_and_fwd_flag"),
    schema_of(Dataset.fhv).column("sr_flag"),
]
columns = st.sampled_from(COLUMNS)
bounded = settings(max_examples=200, deadline=None, derandomize=True)

number_like = st.from_regex(r"\A *[+-]?[0-9１]{0,3}[._,]?[0-9]{0,3}([eEx][+-]?[0-9]{1,3})? *\Z")
time_like = st.from_regex(
    r"\A ?[0-9]{4}-[0-1W][0-9]-[0-3][0-9]([ Tt][0-2][0-9](:[0-5][0-9](:[0-6][0-9]([.,][0-9]{1,10})?)?)?)?(Z|\+0100)?\Z"
)
written = st.one_of(
    number_like,
    time_like,
    st.sampled_from(["", " ", "-", r"\N", "null", "NA", "n/a", "None", "nan", "NaT", "inf", "-Infinity", "1e999"]),
    st.sampled_from(["0x1F", "1_000", "１２", "2020-W40-4", "20200102", "2020-02-30", "0000-01-01", "9999-12-31"]),
    st.sampled_from(["CASH", " cre ", "Y", "true", "FALSE", "0.0", "N\x00"]),
    st.sampled_from(["1", "2.0", "1.5", "40000", "2020-01-02 03:04:05"]),
    st.text(max_size=5),
)
texts = st.lists(st.none() | written, max_size=6)
raw_bytes = st.lists(st.none() | written.map(str.encode) | st.binary(max_size=5), max_size=6)
TEXT_KINDS = [pa.string(), pa.large_string(), pa.string_view()]
BYTE_KINDS = [pa.binary(), pa.large_binary(), pa.binary_view()]


def check(values: pa.Array[Any], column: Column) -> None:
    """A batch is what its values are one by one; what does not fit is null."""
    fitted, uncastable = cast_values(values, column)
    fitted.validate(full=True)
    assert (fitted.type, len(fitted)) == (column.arrow, len(values))
    assert uncastable == sorted(set(uncastable))
    found = fitted.to_pylist()
    for row in range(len(values)):
        alone, is_unfit = cast_values(values.slice(row, 1), column)
        assert alone.to_pylist() == [found[row]], values[row]
        assert bool(is_unfit) == (row in uncastable), values[row]
        assert found[row] is None or row not in uncastable
        assert not isinstance(found[row], float) or math.isfinite(found[row])
        assert values[row].is_valid or (found[row] is None and not is_unfit)
    raw = pa.record_batch([values], names=["raw"])
    rejected = rejected_rows(raw, uncastable, ["unfit_value"] * len(uncastable), [None] * len(uncastable), 1)
    rejected.validate(full=True)
    for row in uncastable:
        assert repr(plain_value(values[row]))


@bounded
@example(column=COLUMNS[0], values=["0x1F", "1"], kind=pa.string())
@example(column=COLUMNS[2], values=["1", "nan(1)"], kind=pa.string())
@given(column=columns, values=texts, kind=st.sampled_from(TEXT_KINDS))
def test_texts_fit_alone_as_together(column, values, kind) -> None:
    check(pa.array(values, kind), column)
    check(pa.array(values, pa.string()).dictionary_encode(), column)


@bounded
@given(column=columns, values=raw_bytes, kind=st.sampled_from(BYTE_KINDS))
def test_bytes_fit_alone_as_together(column, values, kind) -> None:
    raw = pa.array(values, kind)
    check(raw, column)
    as_text = {pa.binary(): pa.string(), pa.large_binary(): pa.large_string(), pa.binary_view(): pa.string_view()}
    check(raw.view(as_text[kind]), column)  # as a Parquet file can claim of any bytes


NUMBER_KINDS = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1) | st.integers(-40_000, 40_000),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float64(): st.floats() | st.integers(-40_000, 40_000).map(float),
    pa.float32(): st.floats(width=32),
    pa.bool_(): st.booleans(),
    pa.decimal128(20, 3): st.decimals(-(10**16), 10**16, places=3),
    pa.timestamp("s"): st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2**33),
    pa.timestamp("us"): st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2**53),
    pa.timestamp("ns"): st.integers(-(2**63), 2**63 - 1),
    pa.date32(): st.integers(-(2**31), 2**31 - 1) | st.integers(0, 20_000),
    pa.date64(): st.integers(-(2**63), 2**63 - 1) | st.integers(0, 20_000).map(lambda day: day * 86_400_000),
}


@bounded
@given(column=columns, data=st.data())
def test_typed_values_fit_alone_as_together(column, data) -> None:
    kind = data.draw(st.sampled_from(list(NUMBER_KINDS)))
    values = data.draw(st.lists(st.none() | NUMBER_KINDS[kind], max_size=6))
    check(pa.array(values, kind, from_pandas=False), column)


MOMENT = datetime(2020, 1, 2, 3, 4, 5)


def every_type() -> Iterator[pa.Array[Any]]:
    """An array of each Arrow type that comes out of a Parquet file, or may be in one's Arrow schema."""
    whole = [1, None, 0]
    for kind in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double"):
        yield pa.array(whole, pa.type_for_alias(kind))
    yield pa.array(np.array([1.5, np.inf, np.nan], "float16"))
    yield pa.array([True, None, False])
    yield pa.nulls(3)
    for decimal in (pa.decimal32(9, 2), pa.decimal64(18, 2), pa.decimal128(38, 2), pa.decimal256(76, 2)):
        yield pa.array([Decimal("25.90"), None, Decimal("1")], decimal)
    yield pa.array([Decimal("1E+9"), None, Decimal(0)], pa.decimal128(20, -3))
    bad = [b"CASH", None, b"N\xe9"]
    for kind in (*BYTE_KINDS, pa.binary(4)):
        yield pa.array([b"CASH", None, b"N\xe9\x00\x00"] if kind == pa.binary(4) else bad, kind)
    for kind, text in zip(BYTE_KINDS, TEXT_KINDS, strict=True):
        yield pa.array(bad, kind).view(text)
    for unit in ("s", "ms", "us", "ns"):
        for zone in (None, "UTC", "America/New_York", "-05:00", "Mars/Olympus"):
            yield pa.array([0, None, 10**9], pa.timestamp(unit, zone))
        yield pa.array([1, None, 2], pa.duration(unit))
    for unit in ("s", "ms"):
        yield pa.array([time(3, 4), None, time(5)], pa.time32(unit))
    for unit in ("us", "ns"):
        yield pa.array([time(3, 4), None, time(5)], pa.time64(unit))
    yield pa.array([date(2020, 1, 2), None, date(9999, 12, 31)], pa.date32())
    yield pa.array([date(2020, 1, 2), None, date(9999, 12, 31)], pa.date64())
    text_list = pa.array([["1"], None, []])
    yield text_list
    yield text_list.cast(pa.large_list(pa.string()))
    yield pa.array([["1"], None, []], pa.list_view(pa.string()))
    yield pa.ListArray.from_arrays([0, 1, 1, 2], pa.array([b"\xff", b"a"]).view(pa.string()))
    yield pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int64(), 2))
    yield pa.array([{"a": 1}, None, {"a": None}])
    yield pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64()))
    yield pa.array(["1", None, "CASH"]).dictionary_encode()
    yield pa.DictionaryArray.from_arrays([0, None, 1], pa.array([b"1", b"\xff"]).view(pa.string()))
    yield pa.DictionaryArray.from_arrays([0, None, 1], pa.array(["1", "2"], pa.string_view()))
    yield pa.DictionaryArray.from_arrays([0, None, 1], pa.array([b"1", b"\xff"], pa.large_binary()))
    yield pa.RunEndEncodedArray.from_arrays([1, 3], ["1", "CASH"])
    yield pa.RunEndEncodedArray.from_arrays([1, 3], [b"1", b"\xff"])
    yield pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16, None, b"\xff" * 16], pa.binary(16)))
    yield pa.ExtensionArray.from_storage(pa.json_(pa.string()), pa.array(["1", None, "{}"]))
    yield pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None, 0], pa.int8()))
    yield pa.array([(1, 2, 3), None, (0, 0, 0)], pa.month_day_nano_interval())


@pytest.mark.parametrize("values", list(every_type()), ids=lambda values: str(values.type))
def test_values_of_every_type_fit_or_do_not(values) -> None:
    for column in COLUMNS:
        check(values, column)
        check(values.slice(1), column)
        check(values.slice(0, 0), column)


@pytest.mark.parametrize("values", list(every_type()), ids=lambda values: str(values.type))
def test_what_a_parquet_file_gives_fits_or_does_not(tmp_path, values) -> None:
    try:
        pq.write_table(pa.table({"raw": values}), tmp_path / "any.parquet")
        batches = list(pq.ParquetFile(tmp_path / "any.parquet").iter_batches())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError):
        return  # no Parquet file has it, or Arrow does not read it
    for batch in batches:
        for column in COLUMNS:
            check(batch.column(0), column)
