"""Files that become large, or break a reader: refused in a sentence, in little memory, by a process that ends well."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.extract.read import open_trip_file, parquet_bounds
from flows.tlc.errors import NotTripFile

# Of address space: what a preview of an ordinary month is content with.
MEMORY = 2 << 30
ROWS = 20_000
HEADER = (
    b"VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,RatecodeID,PULocationID,DOLocationID,"
    b"passenger_count,trip_distance,fare_amount,extra,mta_tax,tip_amount,tolls_amount,ehail_fee,improvement_surcharge,"
    b"total_amount,payment_type,trip_type,congestion_surcharge\n"
)
LINE = b"2,2020-12-01 00:00:00,2020-12-01 01:00:00,N,1,41,42,1,1.2,6,0.5,0.5,0,0,,0.3,7.3,2,1,0\n"
_PREVIEW = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
from flows.cli.app import main
main(["preview", "green", "2020-12", "--all-rows", "--new-columns", "keep", "--file", sys.argv[1]])
"""


def repeated(first: bytes, piece: bytes, megabytes: int) -> Iterator[bytes]:
    yield first
    block = piece * ((1 << 20) // len(piece))
    yield from (block for _ in range(megabytes))


CSV_BOMBS: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "one line": (lambda: repeated(HEADER, b"1", 40), "a line of more than 1,048,576 bytes"),
    "a header": (lambda: repeated(b"", b"a,", 40), "header is longer than 65,536 bytes"),
    "columns": (lambda: iter([b"a," * 9_000, b"b\n", b"," * 9_000, b"\n"]), "9,001 columns, expected 500 at most"),
    "ragged lines": (lambda: repeated(HEADER, b"a\n", 20), "rows cannot be loaded .*ragged_line.*1 fields"),
    "an open quote": (
        lambda: repeated(HEADER + LINE * 200 + b'"', b"x" * 63 + b"\n", 40),
        "ragged_line.*stray quote",
    ),
    "blank lines": (lambda: repeated(HEADER, b"\n", 20), "the file has no rows"),
}


def preview(path: Path) -> subprocess.CompletedProcess[str]:
    program = _PREVIEW.format(memory=MEMORY)
    return subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=False, timeout=120
    )


def gzipped(folder: Path, name: str) -> tuple[Path, str]:
    """The CSV bomb of that name as a month's file, and what has to be said of it."""
    make, sentence = CSV_BOMBS[name]
    path = folder / "green_tripdata_2020-12.csv.gz"
    with gzip.open(path, "wb", 6) as file:
        file.writelines(make())
    return path, sentence


@pytest.mark.parametrize("name", CSV_BOMBS)
def test_a_csv_bomb_is_refused_by_a_process_that_ends_by_its_exit_code(tmp_path: Path, name: str) -> None:
    path, sentence = gzipped(tmp_path, name)
    ended = preview(path)
    assert ended.returncode == 1, ended.stderr
    assert re.search(sentence, ended.stderr), ended.stderr
    assert "Traceback" not in ended.stderr


def with_flag(values: pa.Array) -> pa.Table:
    """Trips with ``values`` for their flag."""
    rows = len(values)
    numbers = {name: pa.array([1] * rows) for name in HEADER.decode().strip().split(",")}
    times = dict.fromkeys(("lpep_pickup_datetime", "lpep_dropoff_datetime"), pa.array([0] * rows, pa.timestamp("us")))
    return pa.table({**numbers, **times, "flag": values})


def one_long(size: int, rows: int = ROWS) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * size]))


def a_list(rows: int = ROWS) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array([0] + [1_000_000] * rows, pa.int32()), pa.nulls(1_000_000, pa.int8()))


PARQUET_BOMBS: dict[str, tuple[Callable[[], pa.Table], dict[str, object], str]] = {
    "a dictionary": (
        lambda: with_flag(one_long(512 << 10)),
        {},
        "16,384 values of the column 'flag' have 8,589,934,592",
    ),
    "JSON": (
        lambda: with_flag(pa.ExtensionArray.from_storage(pa.json_(), pa.array(["x" * (512 << 10)] * 100))),
        {},
        "100 values of the column 'flag' have 52,428,800",
    ),
    "parts": (lambda: with_flag(pa.array([{"a": "x"}] * 3)), {}, "'flag.a' has lists or parts"),
    "a page": (
        lambda: with_flag(pa.array(["x" * (1 << 20)] * 50)),
        {"use_dictionary": False},
        "50 values of the column 'flag' have 52,4",
    ),
    "prefixes": (
        lambda: with_flag(pa.array(["x" * 1_000] * ROWS)),
        {"use_dictionary": False, "column_encoding": {"flag": "DELTA_BYTE_ARRAY"}},
        "'flag' is encoded as DELTA_BYTE_ARRAY",
    ),
    "fixed size": (lambda: with_flag(pa.array([b"x" * 5_000] * 10, pa.binary(5_000))), {}, "values of 5,000 bytes"),
    "a list": (lambda: with_flag(a_list()), {}, "'flag.list.element' has lists"),
    "columns": (
        lambda: pa.table({f"c{place}": pa.nulls(1, pa.int8()) for place in range(501)}),
        {},
        "the file has 501 columns",
    ),
}


def bomb(folder: Path, name: str) -> tuple[Path, str]:
    """The Parquet bomb of that name as a month's file, and what has to be said of it."""
    make, options, sentence = PARQUET_BOMBS[name]
    path = folder / "green_tripdata_2020-12.parquet"
    pq.write_table(make(), path, compression="zstd", store_schema=False, **options)
    return path, sentence


@pytest.mark.parametrize("name", PARQUET_BOMBS)
def test_a_parquet_bomb_is_refused_before_it_is_in_memory(tmp_path: Path, name: str) -> None:
    path, sentence = bomb(tmp_path, name)
    before = pa.default_memory_pool().max_memory()
    with open_trip_file(path) as file, pytest.raises(NotTripFile, match=sentence):
        for _ in file.batches():
            pass
    assert pa.default_memory_pool().max_memory() - before < 100 << 20


def test_the_dictionary_bomb_is_refused_by_a_process_of_little_memory(tmp_path: Path) -> None:
    path, sentence = bomb(tmp_path, "a dictionary")
    ended = preview(path)
    assert ended.returncode == 1
    assert re.search(sentence, ended.stderr), ended.stderr


def test_more_rows_than_any_file_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(with_flag(pa.array(["N"] * 11)), path)
    monkeypatch.setattr(parquet_bounds, "MOST_ROWS", 10)
    with open_trip_file(path) as file, pytest.raises(NotTripFile, match="the file has 11 rows: no trip file"):
        list(file.batches())


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()])
def test_texts_with_a_dictionary_are_read_as_they_are(tmp_path: Path, kind: pa.DataType) -> None:
    values = pa.array(["N", None, "Y", "", "x" * 3_000] * 20_000, kind)
    path = tmp_path / "x.parquet"
    pq.write_table(with_flag(values), path, row_group_size=30_000)
    with open_trip_file(path) as file:
        read = pa.Table.from_batches(file.batches())
    assert read["flag"].cast(kind).combine_chunks().equals(values)
    assert not pa.types.is_dictionary(read.schema.field("flag").type)
