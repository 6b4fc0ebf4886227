"""A file is told from its name's impostors, and a whole one from a damaged one, cheaply."""

from __future__ import annotations

import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.extract.download.verify import find_problem, verify_file
from flows.tlc.errors import NotTripFile

TEXT = b"VendorID,lpep_pickup_datetime\n" + b"1,2020-10-01 00:00:00\n" * 100_000


@pytest.fixture
def problem(tmp_path):
    def find(name: str, content: bytes) -> str | None:
        path = tmp_path / f"{name}.part"
        path.write_bytes(content)
        return find_problem(path, name, "http://host/x")

    return find


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"VendorID": [1, 2]}), sink)
    return sink.getvalue()


def test_whole_files_have_no_problem(problem):
    assert problem("x.csv.gz", gzip.compress(TEXT)) is None
    assert problem("x.parquet", parquet()) is None
    assert problem("x.csv", TEXT) is None


@pytest.mark.parametrize("padding", [b"", bytes(512), bytes(600_000)], ids=len)
def test_gzip_files_may_have_several_members_and_padding(problem, padding):
    assert problem("x.csv.gz", gzip.compress(TEXT) + gzip.compress(TEXT) + padding) is None
    assert problem("x.csv.gz", gzip.compress(b"") + gzip.compress(TEXT) + padding) is None


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 5000])
def test_a_gzip_file_that_breaks_off_is_noticed(problem, cut):
    assert "breaks off before its end" in problem("x.csv.gz", gzip.compress(TEXT)[:-cut])
    assert "breaks off before its end" in problem("x.csv.gz", gzip.compress(TEXT) + gzip.compress(TEXT)[:-cut])


def test_a_gzip_file_with_a_wrong_byte_is_noticed(problem):
    whole = gzip.compress(TEXT)
    for position in (len(whole) // 2, len(whole) - 6, len(whole) - 2):
        damaged = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
        assert "damaged gzip file" in problem("x.csv.gz", damaged)


def test_garbage_after_a_gzip_file_is_noticed(problem):
    assert "damaged gzip file" in problem("x.csv.gz", gzip.compress(TEXT) + b"<html>")


def test_a_gzip_bomb_is_read_in_pieces(problem):
    assert problem("x.csv.gz", gzip.compress(b"0" * 300_000_000, 1)) is None


def test_what_is_compressed_must_be_text(problem):
    assert "sent an HTML page, expected compressed text" in problem("x.csv.gz", gzip.compress(b"<!DOCTYPE html>"))
    assert "sent a gzip stream, expected compressed text" in problem("x.csv.gz", gzip.compress(gzip.compress(TEXT)))


def test_a_parquet_file_needs_a_footer_that_can_be_read(problem):
    whole = parquet()
    assert "without its footer" in problem("x.parquet", whole[:-1])
    assert "footer cannot be read" in problem("x.parquet", b"PAR1")
    assert "footer cannot be read" in problem("x.parquet", whole[:4] + whole[-4:])
    assert "footer cannot be read" in problem("x.parquet", whole[:-60] + bytes(52) + whole[-8:])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\n\n <!DOCTYPE html><html>", "an HTML page"),
        (b"\xef\xbb\xbf<HTML>", "an HTML page"),
        (b'<?xml version="1.0"?><Error/>', "an XML document"),
        (b'{"message": "Not Found"}', "JSON"),
        (b'[{"a": 1}]', "JSON"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer instead of the file itself"),
        (b"a,b\n1,2\n<<<<<<< HEAD\n", "a file with merge conflict markers"),
        (b"PK\x03\x04", "a ZIP archive"),
        ("VendorID,fare".encode("utf-16"), "UTF-16 text"),
        (b"PAR1....PAR1", "a Parquet file"),
        (b"\x00\x01\x02", "unknown bytes"),
    ],
)
def test_what_came_instead_of_text_is_named(problem, content, kind):
    assert problem("x.csv", content).startswith(f"sent {kind}, expected text")


def test_the_first_words_show_what_came_without_control_characters_or_signatures(problem):
    said = problem("x.csv", b'<?xml version="1.0"?>\n<Error>\x07 https://host/x?sig=SECRET&b=1 Denied')
    assert """'<?xml version="1.0"?> <Error>� https://host/x?… Denied'""" in said


def test_the_first_words_are_few(problem):
    assert len(problem("x.csv", b"<html>" + b"word " * 1000)) < 400


def test_an_error_begins_with_the_url(tmp_path):
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(NotTripFile, match=r"^http://host/x\.csv sent an empty file\. Run again later") as error:
        verify_file(tmp_path / "x", "x.csv", "http://host/x.csv")
    assert error.value.url == "http://host/x.csv"
