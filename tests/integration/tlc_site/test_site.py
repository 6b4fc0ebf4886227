"""The stand-in for the TLC site answers as a good web server does, and goes wrong exactly as told."""

from __future__ import annotations

import gzip
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from deployments.tlc_site.faults import (
    Answer,
    Change,
    Cut,
    GzipEncoded,
    IgnoreRange,
    NoEtag,
    NoLength,
    Stall,
    Throttle,
    Truncate,
    WeakEtag,
    WrongLength,
)
from deployments.tlc_site.site import TripSite

PATH = "/trip-data/green_tripdata_2023-12.parquet"
CONTENT = bytes(range(256)) * 40  # 10,240 bytes


@pytest.fixture
def client(site):
    with httpx.Client(base_url=site.url) as client:
        yield client


@pytest.fixture
def file(tlc):
    return (tlc / "cdn" / PATH.lstrip("/")).read_bytes()


def get(client: httpx.Client, path: str, **headers: str) -> httpx.Response:
    return client.get(path, headers={name.replace("_", "-"): text for name, text in headers.items()})


def test_serves_a_file_with_its_length_and_validators(client, file):
    response = client.get(PATH)
    assert response.status_code == 200
    assert response.content == file
    assert response.headers["Content-Length"] == str(len(file))
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["ETag"].startswith('"')
    assert response.headers["Last-Modified"].endswith("GMT")


def test_head_has_the_headers_of_get_without_the_body(site, client):
    head, full = client.head(PATH), client.get(PATH)
    assert head.content == b""
    for name in ("Content-Length", "ETag", "Last-Modified"):
        assert head.headers[name] == full.headers[name]
    assert [(one.method, one.status, one.bytes_sent) for one in site.requests] == [
        ("HEAD", 200, 0),
        ("GET", 200, int(full.headers["Content-Length"])),
    ]


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=100-", 100, 10240),
        ("bytes=100-199", 100, 200),
        ("bytes=-100", 10140, 10240),
        ("bytes=0-99999", 0, 10240),
    ],
)
def test_serves_one_range(site, client, asked, start, stop):
    site.put("/x", CONTENT)
    response = get(client, "/x", range=asked)
    assert response.status_code == 206
    assert response.content == CONTENT[start:stop]
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/10240"


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=500-400", "bytes=-0"])
def test_refuses_a_range_beyond_the_end(site, client, asked):
    site.put("/x", CONTENT)
    response = get(client, "/x", range=asked)
    assert (response.status_code, response.headers["Content-Range"]) == (416, "bytes */10240")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=-", "lines=1-2"])
def test_serves_the_whole_where_it_does_not_understand_the_range(site, client, asked):
    site.put("/x", CONTENT)
    assert get(client, "/x", range=asked).status_code == 200


def test_if_range_serves_the_whole_once_the_file_has_changed(site, client):
    site.put("/x", CONTENT)
    first = client.get("/x")
    same = get(client, "/x", range="bytes=9-", if_range=first.headers["ETag"])
    by_date = get(client, "/x", range="bytes=9-", if_range=first.headers["Last-Modified"])
    site.put("/x", CONTENT[::-1])
    changed = get(client, "/x", range="bytes=9-", if_range=first.headers["ETag"])
    assert (same.status_code, by_date.status_code) == (206, 206)
    assert (changed.status_code, changed.content) == (200, CONTENT[::-1])


def test_if_none_match_answers_304_on_a_connection_that_lives_on(site, client):
    etag = client.get(PATH).headers["ETag"]
    response = get(client, PATH, if_none_match=f'"other", W/{etag}')
    assert (response.status_code, response.content) == (304, b"")
    assert client.get(PATH).status_code == 200


def test_unknown_paths_answer_as_tlc_and_the_mirror_do(site, client):
    denied = client.get("/trip-data/green_tripdata_2031-01.parquet")
    assert (denied.status_code, b"AccessDenied" in denied.content) == (403, True)
    assert client.get("/green/green_tripdata_2031-01.csv.gz").status_code == 404
    assert client.get("/../../etc/passwd").status_code == 403
    assert client.get("/trip-data").status_code == 403
    with TripSite(missing_status=404) as other:
        assert httpx.get(f"{other.url}/nothing").status_code == 404


def test_looks_among_overrides_then_folders_then_the_generator(tmp_path: Path):
    for name, text in (("one", "first"), ("two", "second")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(text)
    (tmp_path / "made").write_text("made, on disk")

    def generate(path: str) -> Path | bytes | None:
        return {"/made": tmp_path / "made", "/bytes": b"made"}.get(path)

    with TripSite([tmp_path / "one", tmp_path / "two"], generate) as site, httpx.Client(base_url=site.url) as client:
        assert client.get("/file").text == "first"
        site.put("/file", b"override")
        assert client.get("/file").text == "override"
        site.remove("/file")
        assert client.get("/file").status_code == 403
        assert [client.get(path).text for path in ("/made", "/bytes")] == ["made, on disk", "made"]
        assert client.get("/other").status_code == 403


def test_serves_many_clients_at_once_and_records_each(site, file):
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: httpx.get(site.url + PATH).content, range(24)))
    assert bodies == [file] * 24
    assert [one.bytes_sent for one in site.requests] == [len(file)] * 24
    site.forget_requests()
    assert site.requests == []


def test_closing_it_ends_stalled_replies_and_idle_connections(tlc):
    with httpx.Client() as client, ThreadPoolExecutor() as pool:
        with TripSite([tlc / "cdn"]) as site:
            client.get(site.url + PATH)
            site.fail(PATH, Stall(0, 600), Throttle(1))
            slow = [pool.submit(httpx.get, site.url + PATH, timeout=600) for _ in range(2)]
            while len(site.requests) < 3:
                time.sleep(0.005)
        assert all(isinstance(one.exception(timeout=60), httpx.HTTPError) for one in slow)


# --- faults ---


def test_a_fault_acts_on_one_get_then_the_file_is_well_again(site, client, file):
    site.fail(PATH, Answer(503, b"busy", {"Retry-After": "7"}))
    assert client.head(PATH).status_code == 200
    failed = client.get(PATH)
    assert (failed.status_code, failed.content, failed.headers["Retry-After"]) == (503, b"busy", "7")
    assert client.get(PATH).content == file


def test_faults_queue_up_and_can_last(site, client):
    site.fail(PATH, Answer(500), Answer(429), times=2)
    site.fail(PATH, Answer(404), times=None)
    assert [client.get(PATH).status_code for _ in range(7)] == [500, 500, 429, 429, 404, 404, 404]
    site.heal(PATH)
    assert client.get(PATH).status_code == 200


def test_faults_can_be_for_head_or_for_any_method(site, client):
    site.fail(PATH, Answer(405), method="HEAD")
    site.fail(PATH, Answer(500), method=None, times=2)
    assert [client.get(PATH).status_code, client.head(PATH).status_code] == [500, 405]
    assert [client.head(PATH).status_code, client.head(PATH).status_code] == [500, 200]


@pytest.mark.parametrize("after", [0, 1, 300_000, 1_000_000])
def test_cut_sends_so_many_bytes_and_closes(site, file, after):
    site.fail(PATH, Cut(after))
    received = b""
    with pytest.raises(httpx.RemoteProtocolError), httpx.stream("GET", site.url + PATH) as response:
        for piece in response.iter_raw():
            received += piece
    assert received == file[:after]
    assert site.requests[-1].bytes_sent == after


def test_cut_counts_from_the_start_of_the_range(site, client):
    site.fail(PATH, Cut(5))
    with pytest.raises(httpx.RemoteProtocolError):
        get(client, PATH, range="bytes=100-")
    assert (site.requests[-1].status, site.requests[-1].bytes_sent) == (206, 5)


@pytest.mark.parametrize("after", [0, 1000])
def test_stall_sends_nothing_for_a_while(site, after):
    site.fail(PATH, Stall(after, 60), Stall(after, 0.05))
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(site.url + PATH, timeout=0.1)
    assert httpx.get(site.url + PATH, timeout=30).status_code == 200


def test_throttle_sends_at_a_pace(site, client):
    site.put("/x", CONTENT)
    site.fail("/x", Throttle(40_000))
    started = time.monotonic()
    assert client.get("/x").content == CONTENT
    assert time.monotonic() - started > 0.2


def test_truncate_is_consistent_with_itself(site, client, file):
    whole = client.head(PATH)
    site.fail(PATH, Truncate(1000), (Truncate(1000),))
    half = client.get(PATH)
    assert (half.status_code, half.content) == (200, file[:1000])
    assert half.headers["ETag"] == whole.headers["ETag"]
    assert get(client, PATH, range="bytes=900-").headers["Content-Range"] == "bytes 900-999/1000"


def test_wrong_length_promises_more_or_less_than_it_sends(site, client, file):
    site.fail(PATH, WrongLength(10), WrongLength(-10))
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(PATH)
    assert client.get(PATH).content == file[:-10]
    assert client.get(PATH).content == file


def test_no_length_ends_with_the_connection(site, client, file):
    site.fail(PATH, NoLength(), (NoLength(), Cut(1000)))
    response = client.get(PATH)
    assert "Content-Length" not in response.headers
    assert response.content == file
    assert client.get(PATH).content == file[:1000]


def test_change_is_honest_about_if_range_or_not(site, client):
    site.put("/x", CONTENT)
    etag = client.head("/x").headers["ETag"]
    site.fail("/x", Change(b"b" * 5000), Change(b"c" * 6000, heed_if_range=False))
    honest = get(client, "/x", range="bytes=4000-", if_range=etag)
    careless = get(client, "/x", range="bytes=4000-", if_range=etag)
    assert (honest.status_code, honest.content) == (200, b"b" * 5000)
    assert (careless.status_code, careless.content) == (206, b"c" * 2000)
    assert len({etag, honest.headers["ETag"], careless.headers["ETag"]}) == 3
    assert client.get("/x").content == b"c" * 6000


def test_validators_can_be_missing_or_weak(site, client):
    site.fail(PATH, NoEtag(), NoEtag(keep_last_modified=True), WeakEtag())
    bare, dated, weak = (client.get(PATH).headers for _ in range(3))
    assert ("ETag" in bare, "Last-Modified" in bare) == (False, False)
    assert ("ETag" in dated, "Last-Modified" in dated) == (False, True)
    assert weak["ETag"].startswith('W/"')
    site.fail(PATH, WeakEtag())
    assert get(client, PATH, range="bytes=1-", if_range=weak["ETag"]).status_code == 200


def test_ranges_can_be_ignored(site, client, file):
    site.fail(PATH, IgnoreRange())
    response = get(client, PATH, range="bytes=100-")
    assert (response.status_code, response.content) == (200, file)


def test_the_body_can_come_compressed_or_labelled_so(site, client):
    site.put("/x", CONTENT)
    site.fail("/x", GzipEncoded(), GzipEncoded(compress=False))
    with client.stream("GET", "/x") as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(b"".join(response.iter_raw())) == CONTENT
    with client.stream("GET", "/x") as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert b"".join(response.iter_raw()) == CONTENT
