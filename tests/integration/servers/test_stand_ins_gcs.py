"""Google's own Cloud Storage client against the wire stand-in: uploads, preconditions, checksums, and faults."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import google_crc32c
import httpx
import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY

from tests.servers.gcs import GcsWire

UNIT = 256 * 1024
QUICK_UPLOAD = DEFAULT_RETRY.with_delay(initial=0.01, maximum=0.02).with_timeout(5)


@pytest.fixture
def gcs() -> Iterator[GcsWire]:
    with GcsWire("lake") as server:
        yield server


@pytest.fixture
def bucket(gcs: GcsWire, monkeypatch: pytest.MonkeyPatch) -> storage.Bucket:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    return storage.Client("test-project", AnonymousCredentials()).bucket("lake")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file that goes up in several chunks: more than the 8 MiB that the client sends in one request."""
    file = tmp_path / "large"
    file.write_bytes(os.urandom(9 * 1024 * 1024 + 7))
    return file


def upload(bucket: storage.Bucket, file: Path, name: str = "large", **options: Any) -> storage.Blob:
    blob = bucket.blob(name, chunk_size=16 * UNIT)
    blob.upload_from_filename(file, if_generation_match=0, checksum="crc32c", retry=QUICK_UPLOAD, **options)
    return blob


def test_objects_go_up_come_down_and_are_listed(gcs: GcsWire, bucket: storage.Bucket, large: Path) -> None:
    assert bucket.exists()
    bucket.reload()
    assert not bucket.client.bucket("other").exists()
    upload(bucket, large)
    with bucket.blob("day=1/a").open("wb", chunk_size=UNIT, if_generation_match=0, content_type="x/y") as file:
        file.write(b"a" * (2 * UNIT + 1))
    bucket.blob("day=1/b").upload_from_string(b"", if_generation_match=0)
    assert bucket.blob("large").download_as_bytes() == large.read_bytes()
    assert bucket.blob("large").download_as_bytes(start=5, end=9) == large.read_bytes()[5:10]
    assert [blob.name for blob in bucket.list_blobs(prefix="day=1/", page_size=1)] == ["day=1/a", "day=1/b"]
    top = bucket.list_blobs(delimiter="/")
    assert ([blob.name for blob in top], top.prefixes) == (["large"], {"day=1/"})
    stored = gcs.objects["lake"]["day=1/a"]
    found = bucket.get_blob("day=1/a")
    assert (found.generation, found.size, found.content_type) == (stored.generation, 2 * UNIT + 1, "x/y")
    assert found.crc32c and found.etag and found.md5_hash
    assert [call.headers.get("content-range") for call in gcs.calls("chunk")][:2] == [
        "bytes 0-4194303/9437191",
        "bytes 4194304-8388607/9437191",
    ]


def test_preconditions_hold_on_every_kind_of_request(gcs: GcsWire, bucket: storage.Bucket, large: Path) -> None:
    first = upload(bucket, large)
    with pytest.raises(exceptions.PreconditionFailed) as refused:
        upload(bucket, large)
    assert "At least one of the pre-conditions you specified did not hold." in str(refused.value)
    blob = bucket.blob("large")
    with pytest.raises(exceptions.PreconditionFailed):
        blob.upload_from_string(b"other", if_generation_match=0)
    with pytest.raises(InvalidResponse) as late, blob.open("wb", chunk_size=UNIT, if_generation_match=5) as file:
        file.write(b"a" * UNIT)
    assert late.value.response.status_code == 412
    for refused_call in (blob.delete, blob.reload, blob.download_as_bytes):
        with pytest.raises(exceptions.PreconditionFailed):
            refused_call(if_generation_match=5)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.compose([first], if_generation_match=5)
    assert gcs.objects["lake"]["large"].generation == first.generation
    blob.upload_from_string(b"new", if_generation_match=first.generation)
    assert gcs.objects["lake"]["large"].generation > first.generation
    blob.delete(if_generation_match=blob.generation)
    with pytest.raises(exceptions.NotFound):
        blob.delete()


def test_objects_are_composed_copied_and_their_metadata_changed(gcs: GcsWire, bucket: storage.Bucket) -> None:
    for name in ("a", "b"):
        bucket.blob(name).upload_from_string(name.encode())
    whole = bucket.blob("whole")
    whole.compose([bucket.blob("a"), bucket.blob("b")], if_generation_match=0)
    assert (gcs.objects["lake"]["whole"].data, whole.component_count, whole.md5_hash) == (b"ab", 2, None)
    copy = bucket.copy_blob(whole, bucket, "copy", if_generation_match=0)
    copy.metadata = {"etag": "1"}
    copy.patch(if_metageneration_match=1)
    assert (copy.metageneration, bucket.get_blob("copy").metadata) == (2, {"etag": "1"})


def test_checksums_are_checked_and_reported(gcs: GcsWire, bucket: storage.Bucket, large: Path) -> None:
    with pytest.raises(exceptions.BadRequest, match=r"Provided CRC32C .* doesn't match calculated CRC32C"):
        upload(bucket, large, crc32c_checksum_value="AAAAAA==")
    blob = bucket.blob("small")
    blob.md5_hash = "AAAAAAAAAAAAAAAAAAAAAA=="
    with pytest.raises(exceptions.BadRequest, match=r"Provided MD5 hash .* doesn't match calculated MD5 hash"):
        blob.upload_from_string(b"small")
    assert gcs.objects["lake"] == {}
    sent = f"{gcs.url}/upload/storage/v1/b/lake/o?uploadType=media&name=a"
    assert httpx.post(sent, content=b"a", headers={"X-Goog-Hash": "crc32c=AAAAAA=="}).status_code == 400
    gcs.wrong_checksum("chunk")
    with pytest.raises(DataCorruption):
        upload(bucket, large)
    assert gcs.calls("objects.delete")
    bucket.blob("small").upload_from_string(b"small")
    gcs.wrong_checksum("media")
    with pytest.raises(DataCorruption):
        bucket.blob("small").download_as_bytes()


def test_an_upload_survives_failing_chunks(gcs: GcsWire, bucket: storage.Bucket, large: Path) -> None:
    for status in (503, 429, 408, 500):
        gcs.fail("chunk", status, skip=1)
    gcs.fail("upload.start", 503)
    upload(bucket, large)
    assert gcs.objects["lake"]["large"].data == large.read_bytes()
    assert [call.status for call in gcs.calls("chunk")] == [308, 503, 429, 408, 500, 308, 200]


def test_an_upload_survives_a_cut_within_a_chunk(gcs: GcsWire, bucket: storage.Bucket, large: Path) -> None:
    gcs.cut_request("chunk", at_byte=UNIT + 1000, skip=1)
    blob = upload(bucket, large)
    assert gcs.objects["lake"]["large"].data == large.read_bytes()
    assert [(call.status, call.body_length) for call in gcs.calls("chunk")][1] == (None, UNIT + 1000)
    data = large.read_bytes()
    assert blob.crc32c == gcs.objects["lake"]["large"].resource("")["crc32c"]
    assert google_crc32c.value(gcs.objects["lake"]["large"].data) == google_crc32c.value(data)


def test_a_lost_last_answer_is_found_again_or_looks_like_another_writer(
    gcs: GcsWire, bucket: storage.Bucket, large: Path
) -> None:
    """A resumable upload gets its object from the session; one in a single request meets its own object as 412."""
    gcs.drop_connection("chunk", skip=2)
    assert upload(bucket, large).generation == gcs.objects["lake"]["large"].generation
    gcs.drop_connection("objects.insert")
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("small").upload_from_string(b"mine", if_generation_match=0, retry=QUICK_UPLOAD)
    assert gcs.objects["lake"]["small"].data == b"mine"


def test_a_session_tells_how_far_it_is_and_refuses_gaps(gcs: GcsWire) -> None:
    start = httpx.post(f"{gcs.url}/upload/storage/v1/b/lake/o?uploadType=resumable&name=a", json={})
    session = start.headers["Location"]

    def put(content: bytes, span: str) -> httpx.Response:
        return httpx.put(session, content=content, headers={"Content-Range": span})

    assert "Range" not in put(b"", "bytes */*").headers
    assert put(b"a" * 1000, "bytes 0-999/*").status_code == 400
    assert put(b"a" * UNIT, f"bytes {UNIT}-{2 * UNIT - 1}/*").status_code == 503
    assert put(b"a" * UNIT, f"bytes 0-{UNIT - 1}/*").headers["Range"] == f"bytes=0-{UNIT - 1}"
    assert put(b"b" * UNIT, f"bytes 0-{UNIT - 1}/*").status_code == 308
    status = put(b"", "bytes */*")
    assert (status.status_code, status.headers["Range"]) == (308, f"bytes=0-{UNIT - 1}")
    assert put(b"", f"bytes */{UNIT}").json()["size"] == str(UNIT)
    assert put(b"", "bytes */*").json()["generation"] == str(gcs.objects["lake"]["a"].generation)
    assert gcs.objects["lake"]["a"].data == b"a" * UNIT


def test_a_client_killed_within_a_chunk_publishes_nothing_and_its_session_goes_on(gcs: GcsWire) -> None:
    start = httpx.post(f"{gcs.url}/upload/storage/v1/b/lake/o?uploadType=resumable&name=a", json={})
    session = urlsplit(start.headers["Location"])
    with socket.create_connection((session.hostname or "", session.port or 0)) as line:
        head = f"PUT {session.path}?{session.query} HTTP/1.1\r\nHost: x\r\nContent-Length: {4 * UNIT}\r\n"
        span = f"Content-Range: bytes 0-{4 * UNIT - 1}/{4 * UNIT}\r\n\r\n"
        line.sendall(head.encode() + span.encode() + b"a" * (2 * UNIT + 5))
    while not gcs.calls("chunk"):
        time.sleep(0.01)
    status = httpx.put(start.headers["Location"], headers={"Content-Range": "bytes */*"})
    assert (status.status_code, status.headers["Range"]) == (308, f"bytes=0-{2 * UNIT - 1}")
    assert gcs.objects["lake"] == {}


def test_an_abandoned_writer_publishes_nothing(gcs: GcsWire, bucket: storage.Bucket) -> None:
    with pytest.raises(ZeroDivisionError), bucket.blob("a").open("wb", chunk_size=UNIT) as file:
        file.write(b"a" * UNIT)
        raise ZeroDivisionError
    assert gcs.objects["lake"] == {}
    assert [call.status for call in gcs.calls("upload.cancel")] == [404]


def test_downloads_go_on_after_a_cut_and_stalls_time_out(gcs: GcsWire, bucket: storage.Bucket, large: Path) -> None:
    upload(bucket, large)
    gcs.cut_answer("media", at_byte=1_000_000)
    assert bucket.blob("large").download_as_bytes(retry=QUICK_UPLOAD) == large.read_bytes()
    assert [call.status for call in gcs.calls("media")] == [200, 206]
    gcs.stall("objects.get", seconds=90)
    begun = time.monotonic()
    assert bucket.get_blob("large", timeout=0.2, retry=QUICK_UPLOAD).size == large.stat().st_size
    assert time.monotonic() - begun < 60


def test_misspelt_parameters_and_fields_are_refused(gcs: GcsWire) -> None:
    wrong = httpx.get(f"{gcs.url}/storage/v1/b/lake/o?prefx=a")
    assert (wrong.status_code, "prefx" in wrong.json()["error"]["message"]) == (400, True)
    body = {"contenttype": "a"}
    assert httpx.post(f"{gcs.url}/upload/storage/v1/b/lake/o?uploadType=resumable&name=a", json=body).status_code == 400


def test_an_unknown_path_and_a_fault_anywhere(gcs: GcsWire) -> None:
    assert httpx.get(f"{gcs.url}/nowhere").status_code == 501
    gcs.fail("*", 503, headers={"Retry-After": "7"})
    answer = httpx.get(f"{gcs.url}/storage/v1/b/lake")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
