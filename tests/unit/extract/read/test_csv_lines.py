"""Every line of a CSV file is a row or a ragged line, whatever its quotes and bytes are; headers that are none."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.extract.read import trip_file
from flows.extract.read.trip_file import RaggedLine, open_trip_file
from flows.tlc.dataset import Dataset
from flows.tlc.errors import NotTripFile
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.transform.conform import plan_conform
from flows.transform.stream import TripStream

HEADER = b"VendorID,lpep_pickup_datetime,store_and_fwd_flag,trip_distance\n"
LINE = b"1,2020-12-05 10:00:00,N,1.5\n"
MONTH = Month(2020, 12)


@dataclass
class Read:
    """What came out of a file, in file order but for the ragged lines."""

    names: list[str]
    rows: list[tuple[bytes | None, ...]]
    ragged: list[RaggedLine]


def read(path: Path) -> Read:
    rows, ragged = [], []
    with open_trip_file(path) as file:
        for batch in file.batches():
            rows += list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
            ragged += file.take_ragged()
        return Read(file.column_names, rows, ragged + file.take_ragged())


def write(folder: Path, content: bytes) -> Path:
    path = folder / "green_tripdata_2020-12.csv"
    path.write_bytes(content)
    return path


STRAY = [
    b'1,2020-12-05 10:00:00,"N,1.5',
    b'1,2020-12-05 10:00:00,N",1.5',
    b'1,2020-12-05 10:00:00,N"o,1.5',
    b'1,2020-12-05 10:00:00,N"o"n,1.5',
    b'1,2020-12-05 10:00:00,"N"o,1.5',
    b'1,2020-12-05 10:00:00,"N""o,1.5',
    b'1,2020-12-05 10:00:00,",1.5',
    b'1,2020-12-05 10:00:00,""",1.5',
    b'1,2020-12-05 10:00:00, "N",1.5',
    b'1,2020-12-05 10:00:00,"N" ,1.5',
    b'"1,2020-12-05 10:00:00,N,1.5',
    b'1",2020-12-05 10:00:00,N,1.5',
    b'1,2020-12-05 10:00:00,N,"1.5',
    b'1,2020-12-05 10:00:00,N,1.5"',
    b'"',
    b'"""',
    b'"1,2020-12-05 10:00:00,"N,1.5',
]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("stray", STRAY, ids=range(len(STRAY)))
@pytest.mark.parametrize("quoted", [False, True])
def test_line_with_a_stray_quote_is_the_only_one_rejected(tmp_path, ending, stray, quoted) -> None:
    line = b'"1","2020-12-05 10:00:00","N","1.5"' if quoted else LINE.strip()
    content = ending.join([HEADER.strip(), *[line] * 300, stray, *[line] * 90, stray, *[line] * 10])
    found = read(write(tmp_path, content + ending))
    assert found.rows == [(b"1", b"2020-12-05 10:00:00", b"N", b"1.5")] * 400
    assert [(item.row_number, item.fields, item.text) for item in found.ragged] == [
        (302, None, stray.decode()),
        (393, None, stray.decode()),
    ]


def test_stray_quote_at_the_end_of_the_file(tmp_path) -> None:
    found = read(write(tmp_path, HEADER + LINE * 3 + b'1,2020-12-05 10:00:00,"N,1'))
    assert (len(found.rows), [item.problem for item in found.ragged]) == (3, ["a stray quote"])


def test_quoted_values_keep_delimiters_and_doubled_quotes(tmp_path) -> None:
    found = read(write(tmp_path, HEADER + b'"1","a,b,","say ""x""",""""\n"","","a""","""b"\n' + b'2,",",",,","",\n'))
    assert found.rows == [(b"1", b"a,b,", b'say "x"', b'"'), (None, None, b'a"', b'"b')]
    assert [item.fields for item in found.ragged] == [5]


def test_line_end_in_quotes_ends_the_line(tmp_path) -> None:
    found = read(write(tmp_path, HEADER + b'1,2020-12-05,"N\n\xff",1.5\n1,2020-12-05,"N\ro",1.5\n' + LINE))
    assert [item.text for item in found.ragged] == ['1,2020-12-05,"N', r'\xff",1.5', '1,2020-12-05,"N', 'o",1.5']
    assert len(found.rows) == 1


def test_line_ends_of_all_kinds_and_blank_lines_are_told_apart(tmp_path) -> None:
    line = LINE.strip()
    content = HEADER + b"\n\r\n" + line + b"\r" + line + b"\r\n" + line + b"\n\n\n" + line + b"\r\r\n" + line
    assert len(read(write(tmp_path, content)).rows) == 5


def test_two_lines_joined_and_one_parted_do_not_make_up_for_each_other(tmp_path) -> None:
    """As many rows as lines, for a parser that joins the first two and takes the CR for a line's end."""
    content = HEADER + b'1,2020-12-05 10:00:00,"N\n",1.5\n' + LINE.strip() + b"\r" + LINE
    found = read(write(tmp_path, content))
    assert (len(found.rows), len(found.ragged)) == (2, 2)


@pytest.mark.parametrize("packed", [False, True])
def test_long_files_are_read_to_their_end(tmp_path, packed) -> None:
    """Lines of many lengths: blocks end at every place of a line, and what is left over has every length."""
    lines = b"".join(b"%d,2020-12-05 10:00:00,%s,1.5\r\n" % (number, b"N" * (number % 90)) for number in range(300_000))
    found = HEADER + lines
    path = write(tmp_path, gzip.compress(found, 1) if packed else found)
    with open_trip_file(path) as file:
        numbers = [int(value) for batch in file.batches() for value in batch.column(0).to_pylist()]
    assert numbers == list(range(300_000))


def test_nuls_are_values_like_others(tmp_path) -> None:
    found = read(write(tmp_path, HEADER + b"1,\0,N\0,1.5\n\0\n"))
    assert found.rows == [(b"1", b"\0", b"N\0", b"1.5")]
    assert [item.text for item in found.ragged] == ["\0"]


def test_ragged_lines_are_handed_over_before_they_are_many(tmp_path) -> None:
    with open_trip_file(write(tmp_path, HEADER + b"a\n" * 100_000)) as file:
        taken = [len(file.take_ragged()) for _ in file.batches()]
    assert sum(taken) == 100_000
    assert max(taken) <= trip_file.BATCH_ROWS


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (HEADER.decode().encode("utf-16"), "UTF-16"),
        (HEADER.decode().encode("utf-16-be"), "UTF-16"),
        (HEADER.replace(b",", b";"), "semicolons"),
        (HEADER.replace(b",", b"\t"), "tabs"),
        (HEADER.replace(b",", b"|"), "bars"),
        (LINE, "no header"),
        (b"12/5/2020 10:00,1,N,1\n", "no header"),
        (HEADER.replace(b"VendorID", b'"VendorID'), "stray quote"),
        (HEADER.replace(b"VendorID", b'VendorID"'), "stray quote"),
        (b"VendorID," * 8_000 + b"\n", "longer than 65,536 bytes"),
        (b"Vendor\xe9ID,a\n", "UTF-8"),
    ],
)
def test_header_that_is_none_is_called_by_its_name(tmp_path, header, words) -> None:
    with pytest.raises(NotTripFile, match=words), open_trip_file(write(tmp_path, header + LINE * 3)):
        pass


def test_columns_without_a_name_are_read_like_others(tmp_path) -> None:
    found = read(write(tmp_path, HEADER.replace(b"\n", b",,\n") + LINE.replace(b"\n", b",,\n") * 2))
    assert found.names[-2:] == ["", ""]
    assert [row[-2:] for row in found.rows] == [(None, None)] * 2


def test_line_longer_than_any_trip_is_refused_and_the_process_ends_cleanly(tmp_path) -> None:
    """A parser that reads ahead in the background still would after the error, and abort the process at its exit."""
    path = write(tmp_path, HEADER + LINE + b"1" * (8 << 20))
    code = (
        "import sys; from pathlib import Path; from flows.extract.read.trip_file import open_trip_file\n"
        "with open_trip_file(Path(sys.argv[1])) as file:\n    print(sum(b.num_rows for b in file.batches()))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("flows.tlc.errors.NotTripFile: the file has a line of more than")


BYTES = [bytes([code]) for code in b'",\n\r\0\xff 1N']
PIECES = [*BYTES, b'""', b"\r\n", "é".encode(), LINE, b'"a,b"', b'1,"', b'",1', b",1,2\n"]


def expected_lines(body: bytes) -> list[bytes]:
    return [line for line in re.split(rb"[\r\n]", body) if line]


def expected_values(line: bytes) -> tuple[bytes | None, ...] | None:
    """The values of a line by RFC 4180, read from left to right; None for a quote that stands where none may."""
    values, rest = [], line + b","
    while rest:
        if rest.startswith(b'"'):
            inside, end = b"", rest.find(b'"', 1)
            while end > 0 and rest[end + 1 : end + 2] == b'"':
                inside, rest = inside + rest[1 : end + 1], rest[end + 1 :]
                end = rest.find(b'"', 1)
            if end < 0 or rest[end + 1 : end + 2] != b",":
                return None
            values.append(inside + rest[1:end])
            rest = rest[end + 2 :]
        else:
            value, _, rest = rest.partition(b",")
            if b'"' in value:
                return None
            values.append(value)
    return tuple(value or None for value in values)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    body=st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=6)), max_size=40).map(b"".join),
    size=st.integers(1, 80),
)
def test_every_line_is_a_row_or_a_ragged_one(tmp_path_factory, body, size) -> None:
    path = write(tmp_path_factory.getbasetemp(), HEADER + body)
    before, trip_file.CSV_BLOCK_BYTES = trip_file.CSV_BLOCK_BYTES, size
    try:
        found = read(path)
        with open_trip_file(path) as file:
            stream = TripStream(
                file,
                plan_conform(schema_of(Dataset.green), MONTH, file.column_names),
                lambda _batch: None,
                max_unloadable_share=1,
            )
            loaded = sum(batch.num_rows for batch in stream)
    finally:
        trip_file.CSV_BLOCK_BYTES = before
    lines = expected_lines(body)
    values = [expected_values(line) for line in lines]
    assert found.rows == [row for row in values if row and len(row) == 4]
    assert len(found.rows) + len(found.ragged) == len(lines) == stream.counts.rows_read
    assert loaded + stream.counts.rows_rejected == stream.counts.rows_read
    for item in found.ragged:
        assert item.text == lines[(item.row_number or 0) - 2].decode("utf-8", "backslashreplace")
        assert item.fields == (len(row) if (row := values[(item.row_number or 0) - 2]) else None)
