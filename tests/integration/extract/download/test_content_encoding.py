"""A body that is encoded for its transfer, asked for or not, ends as the file itself or as an error that says so."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest

from deployments.tlc_site.faults import Answer, Cut, GzipEncoded, NoEtag, NoLength, WeakEtag
from flows.extract.download import SourceFile, cached_version
from flows.extract.download.cache import read_version
from flows.tlc.errors import NotTripFile, SourceError, SourceUnavailable

PARQUET = "/trip-data/green_tripdata_2023-12.parquet"
CSV = "/green/green_tripdata_2020-12.csv.gz"
ZONES = "/misc/taxi_zone_lookup.csv"


def bare_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZip": gzip.compress,
    "deflate": zlib.compress,
    " deflate , gzip ": lambda content: gzip.compress(zlib.compress(content)),
    "gzip, gzip": lambda content: gzip.compress(gzip.compress(content)),
    "identity, gzip": gzip.compress,
    "identity": bytes,
    "deflate without its header": bare_deflate,
}


def encoded(content: bytes, coding: str, **headers: str) -> Answer:
    name = coding.partition(" without")[0]
    return Answer(200, CODINGS[coding](content), {"Content-Encoding": name, **headers})


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("path", [PARQUET, CSV, ZONES])
def test_what_the_header_names_is_undone(fetch, site, path, coding):
    """Also if HEAD tells of the file as it is, and another length."""
    content = fetch.client.get(site.url + path).content
    file = fetch.find(path)
    site.fail(path, encoded(content, coding, ETag=file.etag), times=None, method="GET")
    got = fetch.download(file)
    assert got.path.read_bytes() == content
    assert (got.etag, got.length) == (file.etag, len(content))
    assert fetch(path).bytes_read == 0
    assert got.rechecked_at is None


@pytest.mark.parametrize("fault", [NoEtag(), NoEtag(keep_last_modified=True), WeakEtag(), NoLength()])
@pytest.mark.parametrize("path", [PARQUET, CSV])
def test_a_server_that_encodes_whatever_is_asked(fetch, site, path, fault):
    content = fetch.client.get(site.url + path).content
    site.fail(path, (GzipEncoded(), fault), method=None, times=None)
    got = fetch(path)
    assert got.path.read_bytes() == content
    assert got.length == len(content)
    again = fetch(path)
    assert (again.etag, again.path.read_bytes()) == (got.etag, content)
    assert again.bytes_read == 0 or isinstance(fault, NoEtag)


@pytest.mark.parametrize("path", [PARQUET, CSV, ZONES])
@pytest.mark.parametrize("label", ["gzip", "aws-chunked", "br", "deflate"])
def test_a_file_that_is_only_labelled_stays_as_it_is(fetch, site, path, label):
    content = fetch.client.get(site.url + path).content
    site.fail(path, Answer(200, content, {"Content-Encoding": label}), times=None, method="GET")
    assert fetch(path).path.read_bytes() == content


def test_a_labelled_file_is_resumed(fetch, site, gets, csv_gz):
    site.fail(CSV, GzipEncoded(compress=False), method="HEAD", times=None)
    site.fail(CSV, (GzipEncoded(compress=False), Cut(500_000)), GzipEncoded(compress=False))
    assert fetch(CSV).path.read_bytes() == csv_gz
    assert [status for _, _, status, _ in gets()] == [200, 206]


def test_an_encoded_body_that_breaks_off_is_begun_anew_or_resumed_but_never_mixed(fetch, site, parquet):
    site.fail(PARQUET, (GzipEncoded(), Cut(300_000)), GzipEncoded())
    assert fetch(PARQUET).path.read_bytes() == parquet
    site.put(PARQUET, parquet)  # another version
    site.fail(PARQUET, (GzipEncoded(), Cut(300_000)))  # the rest comes unencoded
    assert fetch(PARQUET).path.read_bytes() == parquet
    site.put(PARQUET, parquet)
    site.fail(PARQUET, (GzipEncoded(), NoLength(), Cut(300_000)), (GzipEncoded(), NoLength()))
    assert fetch(PARQUET).path.read_bytes() == parquet


def test_a_whole_encoded_part_that_a_killed_process_left_is_undone(fetch, site, parquet):
    site.fail(PARQUET, GzipEncoded(), method=None, times=None)
    got = fetch(PARQUET)
    note = got.path.with_name(f"{got.path.name}.json")
    got.path.with_name(f"{got.path.name}.part").write_bytes(gzip.compress(parquet, mtime=0))
    note.rename(got.path.with_name(f"{got.path.name}.part.json"))
    got.path.unlink()
    site.forget_requests()
    assert fetch(PARQUET).path.read_bytes() == parquet
    assert [request.method for request in site.requests] == ["HEAD"]


@pytest.mark.parametrize(
    ("header", "body", "why"),
    [
        ("br", b"\x1b\x00 brotli?", "not known here"),
        ("zstd, gzip", b"\x28\xb5\x2f\xfd", "not known here"),
        ("gzip", b"\x1f\x8b no gzip", "Error -3"),
        ("gzip", gzip.compress(b"PAR1" * 1000, mtime=0)[:-9], "breaks off before its end"),
        ("deflate", b"\x78\x9c broken", "Error -3"),
    ],
)
def test_what_cannot_be_undone_names_the_header(fetch, site, header, body, why):
    site.fail(PARQUET, Answer(200, body, {"Content-Encoding": header}), times=None, method="GET")
    with pytest.raises(
        NotTripFile, match=rf"came with Content-Encoding: {header}, expected none, gzip or deflate.*{why}"
    ) as error:
        fetch(PARQUET)
    assert error.value.url == site.url + PARQUET
    assert not [path for path in fetch.cache.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_what_becomes_of_a_body_has_an_end(fetch, site):
    bomb = gzip.compress(bytes(30_000_000))
    site.fail(ZONES, Answer(200, bomb, {"Content-Encoding": "gzip"}), times=None, method="GET")
    with pytest.raises(SourceError, match=r"longer than 1 MiB.*set TLC_FILE_GIB"):
        fetch(ZONES, max_bytes=1024**2)
    assert max(path.stat().st_size for path in fetch.cache.rglob("*") if path.is_file()) <= len(bomb)


def test_a_body_without_end_is_given_up(fetch, site, gets):
    site.fail(PARQUET, NoLength(), method=None, times=None)
    with pytest.raises(SourceError, match=r"is longer than 0\.476837 MiB: the largest trip file.*set TLC_FILE_GIB"):
        fetch(PARQUET, max_bytes=500_000)
    assert len(gets()) == 1
    assert not list(fetch.cache.glob("*/*.part"))


def test_a_file_that_announces_too_much_is_not_begun(fetch, gets):
    with pytest.raises(SourceError, match="longer than"):
        fetch(PARQUET, max_bytes=500_000)
    assert gets() == []
    with pytest.raises(SourceError, match="longer than"):
        fetch.download(SourceFile(fetch.base + PARQUET, None, None, None), max_bytes=500_000)
    assert not list(fetch.cache.glob("*/*.part"))


class TestLengths:
    def test_a_head_of_length_zero_is_asked_again_by_get(self, fetch, site, parquet):
        etag = fetch.find(PARQUET).etag
        site.fail(PARQUET, Answer(200, b"", {"ETag": etag}), method="HEAD", times=None)
        file = fetch.find(PARQUET)
        assert (file.length, file.etag) == (len(parquet), etag)
        got = fetch.download(file)
        assert got.path.read_bytes() == parquet
        assert fetch(PARQUET).bytes_read == 0

    def test_a_file_that_is_empty_is_said_to_be(self, fetch, site):
        site.put(PARQUET, b"")
        file = fetch.find(PARQUET)
        assert file.length is None
        with pytest.raises(NotTripFile, match="sent an empty file"):
            fetch.download(file)
        assert cached_version(file, fetch.cache) == file.etag

    @pytest.mark.parametrize("total", ["9" * 5000, "1" * 20])
    def test_a_length_of_too_many_digits_is_a_source_error(self, fetch, site, total):
        file = fetch.find(PARQUET)
        site.fail(PARQUET, Cut(100_000))
        headers = {"Content-Range": f"bytes 100000-/{total}", "ETag": file.etag}
        site.fail(PARQUET, Answer(206, b"x", headers), times=None)
        with pytest.raises(SourceUnavailable, match=rf"announced a length of {len(total):,} digits"):
            fetch.download(file)
        site.heal(PARQUET)
        site.fail(PARQUET, Answer(405), method="HEAD", times=None)
        site.fail(PARQUET, Answer(206, b"x", headers), times=None)
        with pytest.raises(SourceUnavailable, match="announced a length"):
            fetch.find(PARQUET)


def test_notes_of_older_versions_are_read(fetch, parquet):
    got = fetch(PARQUET)
    note = got.path.with_name(f"{got.path.name}.json")
    text = note.read_text().replace(', "encoding": null', "").replace(', "decoded": null', "")
    assert "encoding" not in text and "decoded" not in text
    note.write_text(text)
    assert read_version(got.path).file.length == len(parquet)
    assert fetch(PARQUET).bytes_read == 0
