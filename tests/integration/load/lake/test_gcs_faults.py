"""Cloud Storage that fails, asserted at the wire: what is asked again, what is given up, what is never sent."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from flows.load.crc32c import crc32c_of_file
from flows.load.lake.gcs import GcsLake
from flows.load.lake.protocol import ABSENT, Lake, ObjectChanged
from flows.tlc.errors import TargetBusy, TargetError, TargetUnavailable
from tests.integration.load.lake.conftest import Loader, assert_tidy, assert_true, gcs_lake
from tests.servers.gcs import FakeGcs, GcsWire

UNIT = 256 * 1024


@pytest.fixture
def gcs(wire: GcsWire) -> GcsLake:
    return gcs_lake(wire, chunk_bytes=16 * UNIT)


@pytest.fixture
def load(gcs: GcsLake, tmp_path: Path) -> Loader:
    return Loader(gcs, tmp_path / "work")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """More than the 8 MiB that the client sends in one request."""
    file = tmp_path / "large"
    file.write_bytes(os.urandom(9 * 1024 * 1024 + 7))
    return file


def test_again_sends_nothing(wire: GcsWire, load: Loader, days_file) -> None:
    load(days_file(1, 2))
    seen = len(wire.requests)
    assert load.find().status == "unchanged"
    again = wire.requests[seen:]
    assert [request.operation for request in again] == ["media", "objects.list"]
    assert sum(request.body_length for request in again) == 0


def test_every_change_has_its_precondition(wire: GcsWire, load: Loader, days_file) -> None:
    load(days_file(1, 2))
    load(days_file(2, 3), "v2")
    changes = [r for r in wire.requests if r.method in ("POST", "PUT", "DELETE")]
    kept = [r for r in changes if r.operation == "objects.rewrite" and "%2Fold%2F" in r.path.rpartition("/o/")[2]]
    assert all("ifGenerationMatch" in r.query for r in changes if r not in kept)
    assert kept
    assert all("ifSourceGenerationMatch" in r.query for r in changes if r.operation == "objects.rewrite")


def test_objects_come_first_and_the_manifest_last(wire: GcsWire, load: Loader, days_file) -> None:
    load(days_file(1, 2))
    seen = len(wire.requests)
    load(days_file(2, 3), "v2")
    steps = [(r.operation, r.json["name"] if "name" in (r.json or {}) else r.path) for r in wire.requests[seen:]]
    writes = [step for step in steps if step[0] in ("objects.insert", "objects.rewrite", "objects.delete")]
    manifest = max(
        i for i, (operation, name) in enumerate(writes) if "manifests" in name and operation.endswith("insert")
    )
    assert {operation for operation, _ in writes[manifest + 1 :]} == {"objects.delete"}
    assert any("pickup_date%3D2023-12-01" in name and ".tmp" not in name for _, name in writes[manifest + 1 :])
    assert not any(operation == "objects.delete" for operation, _ in writes[:manifest])


@pytest.mark.parametrize("operation", ["objects.insert", "objects.rewrite", "objects.list", "media", "objects.delete"])
@pytest.mark.parametrize("fault", [503, 429, "drop", "cut"])
def test_a_load_survives(wire: GcsWire, load: Loader, days_file, operation: str, fault: int | str) -> None:
    """Refusals, lost answers (also the last one) and connections broken within a request, in each kind of request."""
    load(days_file(1, 2))
    for skip in range(3):
        if isinstance(fault, int):
            wire.fail(operation, fault, skip=skip)
        elif fault == "drop":
            wire.drop_connection(operation, skip=skip)
        elif operation == "objects.insert":
            wire.cut_request(operation, at_byte=500, skip=skip)
        else:
            wire.cut_answer(operation, at_byte=20, skip=skip)
    load(days_file(2, 3), "v2")
    assert load.find("v2").status == "unchanged"
    assert_tidy(load.lake)


def test_a_large_object_goes_on_where_it_broke(wire: GcsWire, gcs: GcsLake, large: Path) -> None:
    wire.fail("chunk", 503)
    wire.cut_request("chunk", at_byte=UNIT + 1000, skip=1)
    wire.drop_connection("chunk", skip=3)
    stored = gcs.upload(large, "a", crc32c_of_file(large))
    assert wire.objects["lake"]["some/where/a"].data == large.read_bytes()
    assert (stored.bytes, stored.crc32c) == (large.stat().st_size, crc32c_of_file(large))
    assert sum(call.body_length for call in wire.calls("chunk")) < 1.6 * large.stat().st_size


def test_an_upload_that_met_itself_is_found_by_its_checksum(wire: GcsWire, gcs: GcsLake, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"mine")
    crc32c = crc32c_of_file(tmp_path / "a")
    wire.drop_connection("objects.insert")
    stored = gcs.upload(tmp_path / "a", "a", crc32c)
    assert [call.status for call in wire.calls("objects.insert")] == [None, 412]
    assert stored.generation == wire.objects["lake"]["some/where/a"].generation
    (tmp_path / "b").write_bytes(b"other")
    with pytest.raises(ObjectChanged):
        gcs.upload(tmp_path / "b", "a", crc32c_of_file(tmp_path / "b"))


def test_damage_on_the_way_is_refused_and_the_month_stays(wire: GcsWire, load: Loader, days_file) -> None:
    load(days_file(1, 2))
    wire.wrong_checksum("objects.insert", times=5)
    with pytest.raises(TargetUnavailable, match="the month is as it was"):
        load(days_file(2, 3), "v2")
    wire._wrong_checksums.clear()
    assert assert_true(load.lake).report.source_etag == "v1"
    load(days_file(2, 3), "v2")
    assert_tidy(load.lake)


def test_a_file_changed_since_it_was_encoded_is_refused(gcs: GcsLake, tmp_path: Path, large: Path) -> None:
    (tmp_path / "a").write_bytes(b"changed since it was encoded")
    for file in (tmp_path / "a", large):
        with pytest.raises(TargetError, match="CRC32C"):
            gcs.upload(file, "a", "AAAAAA==")


def test_an_outage_in_the_middle_leaves_a_true_manifest(wire: GcsWire, load: Loader, days_file) -> None:
    load(days_file(1, 2))
    load_later = load.into(gcs_lake(wire, retry=load.lake.retry.with_timeout(0.2), takeover_seconds=0.1))
    wire.fail("objects.rewrite", 503, times=200, skip=4)
    with pytest.raises(TargetUnavailable, match="Run again later"):
        load_later(days_file(2, 3), "v2")
    wire._faults.clear()
    assert assert_true(load.lake).report.source_etag == "v1"
    assert load.find("v1") is None, "its objects are under temporary names: not the month as it should be"
    load(days_file(1, 2), "v1")
    assert_tidy(load.lake)


def test_a_refusal_says_what_the_account_needs(wire: GcsWire, load: Loader, days_file) -> None:
    wire.fail("*", 403, times=50, message="loader@project does not have storage.objects.create access")
    with pytest.raises(TargetError, match=r"roles/storage.objectUser on the bucket") as refused:
        load(days_file(1))
    assert not isinstance(refused.value, TargetUnavailable)


def test_a_missing_bucket_says_so(wire: GcsWire, tmp_path: Path, days_file) -> None:
    lake = GcsLake(wire.client().bucket("other"))
    with pytest.raises(TargetError, match="Create the bucket, or correct TLC_LAKE_URL"):
        Loader(lake, tmp_path / "work")(days_file(1))


def test_a_turn_is_waited_for_and_taken_from_the_dead(gcs: GcsLake) -> None:
    begun = time.monotonic()
    with gcs.lock_month("a") as first:
        with gcs.lock_month("b"):
            pass
        with gcs.lock_month("a") as second:  # as after a kill: nobody ends the first
            assert time.monotonic() - begun >= gcs.takeover_seconds
            second.check()
            with pytest.raises(ObjectChanged):
                first.check()
    assert gcs.list("") == []


def test_a_turn_that_never_comes_is_busy(wire: GcsWire, gcs: GcsLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.load.lake.gcs_lock.LOCK_SECONDS", 0.3)
    wait = gcs_lake(wire, takeover_seconds=9)
    with gcs.lock_month("a"), pytest.raises(TargetBusy, match="other loads have been replacing"), wait.lock_month("a"):
        pass


class SlowLake:
    """Stops for a while before its n-th copy, as a machine that sleeps in the middle of a load."""

    def __init__(self, lake: Lake, seconds: float, at: int):
        self.lake, self.seconds, self.at, self.lock = lake, seconds, at, threading.Lock()

    def __getattr__(self, name: str):
        return getattr(self.lake, name)

    def copy(self, *args, **kwargs):
        with self.lock:
            self.at -= 1
            if self.at == 0:
                time.sleep(self.seconds)
        return self.lake.copy(*args, **kwargs)


@pytest.mark.parametrize("first_load", [False, True], ids=["replacing", "first"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 6])
def test_one_that_was_taken_for_dead_spoils_nothing(
    wire: GcsWire, load: Loader, days_file, at: int, first_load: bool
) -> None:
    if not first_load:
        load(days_file(1, 2))
    files = {"slow": days_file(2, 3), "swift": days_file(3, 4, 5)}
    slow = load.into(SlowLake(gcs_lake(wire, takeover_seconds=0.1), 0.6, at))
    swift = load.into(gcs_lake(wire, takeover_seconds=0.1))
    thread = threading.Thread(target=lambda: slow(files["slow"], "slow"))
    thread.start()
    time.sleep(0.15)
    swift(files["swift"], "swift")
    thread.join()
    assert_tidy(load.lake)
    assert load.manifest().report.source_etag in files


def test_on_fake_gcs_server(tmp_path: Path, days_file) -> None:
    """A server of other hands, with files on disk: a load, its replacement, and its restart after kill -9."""
    with FakeGcs(tmp_path / "server", "lake") as server:
        load = Loader(GcsLake(server.client().bucket("lake"), "pre"), tmp_path / "work")
        load(days_file(1, 2))
        load(days_file(2, 3), "v2")
        server.kill()
        server.start()
        assert load.find("v2").status == "unchanged"
        assert_tidy(load.lake)


def test_ranges_are_read(lake: Lake, tmp_path: Path) -> None:
    lake.write("a", b"0123456789", replaces=ABSENT)
    assert (lake.read("a", start=2, length=3), lake.read("a", start=7), lake.read("b")) == (b"234", b"789", None)
    assert lake.read("a", length=0) == b""
    assert lake.find("a").bytes == 10
