"""Files that become large, or break a reader: refused in a sentence, in little memory, by a process that ends well."""

from __future__ import annotations

import gzip
import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.extract.read import open_trip_file, parquet_bounds
from flows.extract.read.parquet_pages import Page, read_pages
from flows.tlc.errors import NotTripFile
from tests.lying_footers import lie, say_rows, small_and_plain

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


def one_a_row(columns: int, size: int, rows: int = ROWS) -> pa.Table:
    """As many columns of texts, with the same one of that size in every row."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * size]))
    return pa.table({f"c{place}": texts for place in range(columns)})


PARQUET_BOMBS: dict[str, tuple[Callable[[], pa.Table], dict[str, object], str]] = {
    "a dictionary": (lambda: with_flag(one_long(512 << 10)), {}, "texts of 16,384 rows have 8,589,934,592 .*'flag'"),
    "JSON": (
        lambda: with_flag(pa.ExtensionArray.from_storage(pa.json_(), pa.array(["x" * (512 << 10)] * 100))),
        {},
        "texts of 100 rows have 52,428,800 .*'flag'",
    ),
    "dictionaries": (lambda: one_a_row(400, 4_000), {}, "texts of 16,384 rows have .* at 'c1'"),
    "small row groups": (
        lambda: with_flag(pa.array([str(row) + "x" * (9 << 20) for row in range(40)])),
        {"row_group_size": 1},
        "texts of 1 rows have 9,4.*'flag'",
    ),
    "parts": (lambda: with_flag(pa.array([{"a": "x"}] * 3)), {}, "'flag.a' has lists or parts"),
    "a page": (
        lambda: with_flag(pa.array(["x" * (1 << 20)] * 200)),
        {"use_dictionary": False, "data_page_size": 1 << 30},
        "200 rows need pages of 209,",
    ),
    "pages": (
        lambda: pa.table({f"c{place}": pa.array(["x" * 1_000_000]) for place in range(200)}),
        {"use_dictionary": False},
        "1 rows need pages of 200,",
    ),
    "prefixes": (
        lambda: with_flag(pa.array(["x" * 1_000] * ROWS)),
        {"use_dictionary": False, "column_encoding": {"flag": "DELTA_BYTE_ARRAY"}},
        "'flag' has the encoding 7",
    ),
    "lengths": (
        lambda: with_flag(pa.array(["x"] * ROWS)),
        {"use_dictionary": False, "column_encoding": {"flag": "DELTA_LENGTH_BYTE_ARRAY"}},
        "'flag' has the encoding 6",
    ),
    "fixed size": (lambda: with_flag(pa.array([b"x" * 5_000] * 10, pa.binary(5_000))), {}, "values of 5,000 bytes"),
    "fixed sizes": (
        lambda: pa.table({f"c{place}": pa.array([b"x" * 1_000] * ROWS, pa.binary(1_000)) for place in range(50)}),
        {},
        "a row has values of 5,000 bytes at 'c4'",
    ),
    "a list": (lambda: with_flag(a_list()), {}, "'flag.list.element' has lists"),
    "columns": (
        lambda: pa.table({f"c{place}": pa.nulls(1, pa.int8()) for place in range(501)}),
        {},
        "the file has 501 columns",
    ),
}


def bomb(folder: Path, name: str, *, lies: bool = False) -> tuple[Path, str]:
    """The Parquet bomb of that name as a month's file, and what has to be said of it."""
    make, options, sentence = PARQUET_BOMBS[name]
    path = folder / "green_tripdata_2020-12.parquet"
    table = make()
    pq.write_table(table, path, compression="zstd", store_schema=False, **options)
    for column in table.column_names if lies else ():
        lie(path, column, small_and_plain)
    return path, sentence


_READ = """
import resource, sys
import pyarrow as pa
from pathlib import Path
from flows.extract.read import open_trip_file
from flows.extract.read.parquet_pages import Page, read_pages
from flows.tlc.errors import NotTripFile
from tests.lying_footers import lie, small_and_plain
try:
    with open_trip_file(Path(sys.argv[1])) as file:
        for _ in file.batches():
            pass
except NotTripFile as error:
    print(error)
print(pa.default_memory_pool().max_memory() >> 20)
"""


@pytest.mark.parametrize("lies", [False, True], ids=["true", "lying"])
@pytest.mark.parametrize("name", PARQUET_BOMBS)
def test_a_parquet_bomb_is_refused_before_it_is_in_memory(tmp_path: Path, name: str, lies: bool) -> None:
    """Whatever its footer says; a process of its own has the peak of this file alone."""
    path, sentence = bomb(tmp_path, name, lies=lies)
    ended = subprocess.run([sys.executable, "-c", _READ, path], capture_output=True, text=True, check=True, timeout=120)
    said, peak = ended.stdout.splitlines()
    assert re.search(sentence, said), said
    assert int(peak) < 200


@pytest.mark.parametrize("lies", [False, True], ids=["true", "lying"])
def test_the_dictionary_bomb_is_refused_by_a_process_of_little_memory(tmp_path: Path, lies: bool) -> None:
    path, sentence = bomb(tmp_path, "a dictionary", lies=lies)
    ended = preview(path)
    assert ended.returncode == 1
    assert re.search(sentence, ended.stderr), ended.stderr


def page_header(size: int, values: int, *, kind: int = 0, encoding: int = 0) -> bytes:
    """One of a page that is not there: in Thrift's compact protocol, as every writer puts it."""

    def number(value: int) -> bytes:
        value, found = value << 1, b""
        while value > 127:
            found, value = found + bytes([value & 127 | 128]), value >> 7
        return found + bytes([value])

    part = b"\x2c" if kind == 0 else b"\x4c"
    inner = b"\x15" + number(values) + b"\x15" + number(encoding) + b"\x00"
    return b"\x15" + number(kind) + b"\x15" + number(size) + b"\x15" + number(0) + part + inner + b"\x00"


@dataclass
class Chunk:
    num_values: int = 10
    data_page_offset: int = 0
    dictionary_page_offset: int | None = None
    path_in_schema: str = "flag"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        page_header(100, 10)[:-4],
        page_header(100, 11),
        page_header(100, 0) + page_header(100, 10),
        page_header(100, 1, kind=2) * 2 + page_header(100, 10),
        page_header(100, 5) + page_header(100, 1, kind=2) + page_header(100, 5),
        page_header(100, 10, kind=1),
        b"\x05\x02" + page_header(100, 10),
        b"\x25\x00" + page_header(100, 10),
        b"\x15\x01" + page_header(100, 10)[2:],
        b"\x15" + b"\xff" * 70_000,
        b"\x1c" * 70_000,
        b"\x18\xff\xff\xff\xff\x0f",
        b"\x30" + page_header(100, 10),
    ],
)
def test_headers_of_pages_that_no_writer_writes_are_refused(content: bytes) -> None:
    with pytest.raises(pa.ArrowInvalid, match="'flag'"):
        list(read_pages(io.BytesIO(content), Chunk()))


def test_headers_of_pages_are_read_as_they_are() -> None:
    content = page_header(70, 3, kind=2) + page_header(2**31 - 1, 9, encoding=8) + page_header(100, 1) + b"rest"
    assert list(read_pages(io.BytesIO(content), Chunk())) == [
        Page(True, 70, 3, 0),
        Page(False, 2**31 - 1, 9, 8),
        Page(False, 100, 1, 0),
    ]


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"data_page_version": "2.0"}])
def test_pages_have_all_values_of_their_columns(tmp_path: Path, options: dict[str, object]) -> None:
    path = tmp_path / "x.parquet"
    table = with_flag(pa.array(["N", None, "é" * 30] * 100_000))
    pq.write_table(table, path, row_group_size=130_000, data_page_size=10_000, **options)
    metadata = pq.read_metadata(path)
    with path.open("rb") as file:
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for chunk in map(group.column, range(group.num_columns)):
                pages = list(read_pages(file, chunk))
                assert sum(page.values for page in pages if not page.is_dictionary) == group.num_rows
                assert sum(page.size for page in pages) <= chunk.total_uncompressed_size


def test_more_rows_than_any_file_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(with_flag(pa.array(["N"] * 11)), path)
    monkeypatch.setattr(parquet_bounds, "MOST_ROWS", 10)
    with open_trip_file(path) as file, pytest.raises(NotTripFile, match="the file has 11 rows: no trip file"):
        list(file.batches())


def test_no_more_rows_are_read_than_the_footer_announces(tmp_path: Path) -> None:
    """What it says is bounded; row groups, which may all be the same pages, are not."""
    path = tmp_path / "x.parquet"
    pq.write_table(with_flag(pa.array(["N"] * 30)), path, row_group_size=10)
    say_rows(path, 10)
    read = 0
    with open_trip_file(path) as file, pytest.raises(NotTripFile, match="10 rows, and gives 20 or more"):
        for batch in file.batches():
            read += batch.num_rows
    assert read == 10


def test_numbers_split_by_their_bytes_are_read_as_they_are(tmp_path: Path) -> None:
    path, values = tmp_path / "x.parquet", pa.array([1.5, None, -2.25] * 20_000)
    pq.write_table(
        with_flag(values), path, use_dictionary=False, column_encoding={"flag": "BYTE_STREAM_SPLIT"}, compression="zstd"
    )
    with open_trip_file(path) as file:
        assert pa.Table.from_batches(file.batches())["flag"].combine_chunks().equals(values)


@pytest.mark.parametrize("line", [b"a\n", LINE], ids=["ragged", "rows"])
def test_more_rows_than_any_file_has_are_refused_in_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(HEADER + line * 11)
    monkeypatch.setattr(parquet_bounds, "MOST_ROWS", 10)
    with open_trip_file(path) as file, pytest.raises(NotTripFile, match="the file has 11 rows: no trip file"):
        list(file.batches())


@pytest.mark.parametrize("use_dictionary", [True, False])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary()])
def test_texts_are_read_as_they_are(tmp_path: Path, kind: pa.DataType, use_dictionary: bool) -> None:
    values = pa.array(["N", None, "Y", "", "x" * 3_000] * 20_000, pa.string()).cast(kind)
    path = tmp_path / "x.parquet"
    pq.write_table(with_flag(values), path, row_group_size=30_000, use_dictionary=use_dictionary)
    with open_trip_file(path) as file:
        read = pa.Table.from_batches(file.batches())
    assert read["flag"].cast(kind).combine_chunks().equals(values)
    assert not pa.types.is_dictionary(read.schema.field("flag").type)


def test_two_columns_of_one_name_are_both_bounded(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    texts = one_long(512 << 10)
    pq.write_table(pa.Table.from_arrays([texts, pa.array(["N"] * ROWS)], names=["flag", "flag"]), path)
    with open_trip_file(path) as file, pytest.raises(NotTripFile, match="texts of 16,384 rows have 8,589,934,592"):
        list(file.batches())
