"""A download ends with the whole file, byte for byte, or with an error that says what to do."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

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
from flows.extract.download import SourceFile, cached_version
from flows.tlc.errors import NotTripFile, SourceBlocked, SourceChanged, SourceUnavailable

PARQUET = "/trip-data/green_tripdata_2023-12.parquet"
OTHER_PARQUET = "/trip-data/green_tripdata_2020-12.parquet"
CSV = "/green/green_tripdata_2020-12.csv.gz"
ZONES = "/misc/taxi_zone_lookup.csv"


def leftovers(cache):
    """Files in the cache but for whole files, their notes and locks."""
    return [path.name for path in cache.glob("*/*") if ".part" in path.name or path.suffix == ".tmp"]


@pytest.fixture
def republished(tlc):
    """Another whole Parquet file, to be published under the path of the first."""
    return (tlc / "cdn" / OTHER_PARQUET.lstrip("/")).read_bytes()


class TestGoodServer:
    @pytest.mark.parametrize("path", [PARQUET, CSV, ZONES])
    def test_brings_the_file_byte_for_byte(self, fetch, site, cache, path):
        got = fetch(path)
        content = fetch.client.get(site.url + path)
        assert got.path.read_bytes() == content.content
        assert (got.etag, got.length, got.bytes_read) == (content.headers["ETag"], *[len(content.content)] * 2)
        assert got.path.name == path.rpartition("/")[2]
        assert leftovers(cache) == []

    def test_asks_once_for_all_of_it_unencoded(self, fetch, gets, parquet):
        fetch(PARQUET)
        assert gets() == [(None, None, 200, len(parquet))]

    def test_reports_progress_up_to_the_end(self, fetch, parquet):
        seen = []
        fetch(PARQUET, on_progress=lambda done, length: seen.append((done, length)))
        assert seen[0] == (0, len(parquet))
        assert seen[-1] == (len(parquet), len(parquet))
        assert seen == sorted(seen)
        assert len(seen) == 3  # begin, one MiB, end

    def test_without_an_etag_the_identity_is_length_and_checksum(self, fetch, site, parquet):
        site.fail(PARQUET, NoEtag(), method=None, times=None)
        assert fetch(PARQUET).etag == f"{len(parquet)}-{hashlib.sha256(parquet).hexdigest()}"

    def test_without_a_length_the_end_of_the_body_is_the_end(self, fetch, site, parquet):
        site.fail(PARQUET, NoLength(), method=None, times=None)
        got = fetch(PARQUET)
        assert (got.length, got.path.read_bytes()) == (len(parquet), parquet)
        assert fetch(PARQUET).bytes_read == 0

    def test_follows_redirects_to_signed_urls(self, fetch, site, tlc, csv_gz):
        with TripSite([tlc / "mirror"]) as storage:
            site.fail(CSV, Answer(302, headers={"Location": f"{storage.url}{CSV}?sig=1"}), method=None, times=None)
            storage.fail(CSV, Cut(500_000))
            assert fetch(CSV).path.read_bytes() == csv_gz
            assert sum(request.bytes_sent for request in storage.requests) == len(csv_gz)

    def test_a_gz_that_is_labelled_gzip_encoded_stays_as_it_is(self, fetch, site, csv_gz):
        site.fail(CSV, GzipEncoded(compress=False), method=None, times=None)
        assert fetch(CSV).path.read_bytes() == csv_gz


class TestBrokenConnection:
    def test_resumes_where_it_broke_off(self, fetch, site, gets, parquet):
        etag = fetch.find(PARQUET).etag
        site.fail(PARQUET, Cut(100_000), Cut(200_000))
        got = fetch(PARQUET)
        assert got.path.read_bytes() == parquet
        assert gets() == [
            (None, None, 200, 100_000),
            ("bytes=100000-", etag, 206, 200_000),
            ("bytes=300000-", etag, 206, len(parquet) - 300_000),
        ]
        assert got.bytes_read == len(parquet)

    def test_goes_on_as_long_as_there_is_progress(self, fetch, site, gets, parquet):
        site.fail(PARQUET, Cut(90_000), times=None)
        assert fetch(PARQUET).path.read_bytes() == parquet
        assert sum(sent for *_, sent in gets()) == len(parquet)
        assert len(gets()) == 17

    def test_but_not_for_ever(self, fetch, site, gets):
        site.fail(PARQUET, Cut(1_000), times=None)
        with pytest.raises(SourceUnavailable, match="failed 10 times; at last"):
            fetch.with_retry_policy(requests=10)(PARQUET)
        assert len(gets()) == 10

    @pytest.mark.parametrize(
        "fault", [Cut(0), Stall(0, 90), Answer(503), Answer(500), Answer(429), Answer(403), Answer(404)]
    )
    def test_passing_failures_cost_nothing(self, impatient, site, parquet, fault):
        site.fail(PARQUET, fault, Cut(100_000), fault, fault)
        got = impatient(PARQUET)
        assert (got.path.read_bytes(), got.bytes_read) == (parquet, len(parquet))

    def test_gives_up_without_progress_and_goes_on_from_there_next_time(self, fetch, site, gets, parquet):
        site.fail(PARQUET, Cut(500_000), Cut(0), Cut(0), Cut(0))
        with pytest.raises(
            SourceUnavailable, match=r"failed 4 times, the last 3 in a row without progress.*run again later"
        ) as error:
            fetch(PARQUET)
        assert error.value.url == site.url + PARQUET
        got = fetch(PARQUET)
        assert (got.path.read_bytes(), got.bytes_read) == (parquet, len(parquet) - 500_000)

    def test_a_stall_counts_as_broken(self, impatient, site, gets, parquet):
        site.fail(PARQUET, Stall(400_000, 90))
        assert impatient(PARQUET).path.read_bytes() == parquet
        assert [one[0] for one in gets()] == [None, "bytes=400000-"]

    def test_a_slow_server_is_no_broken_one(self, fetch, site, gets):
        site.put("/misc/slow.csv", b"a,b\n" * 10_000)
        site.fail("/misc/slow.csv", Throttle(80_000))
        assert fetch("/misc/slow.csv").length == 40_000
        assert len(gets()) == 1

    def test_waits_as_the_server_asks_up_to_a_limit(self, fetch, site):
        site.fail(PARQUET, Answer(503, headers={"Retry-After": "30"}))
        started = time.monotonic()
        fetch.with_retry_policy(longest_retry_after=0.3)(PARQUET)
        assert 0.3 < time.monotonic() - started < 25

    @pytest.mark.parametrize("fault", [NoEtag(), NoEtag(keep_last_modified=True), WeakEtag()])
    def test_begins_anew_where_nothing_proves_the_rest_to_be_of_the_same_file(self, fetch, site, gets, parquet, fault):
        site.fail(PARQUET, fault, method="HEAD")
        site.fail(PARQUET, (fault, Cut(100_000)), fault)
        assert fetch(PARQUET).path.read_bytes() == parquet
        assert gets() == [(None, None, 200, 100_000), (None, None, 200, len(parquet))]

    def test_begins_anew_where_the_server_ignores_the_range(self, fetch, site, gets, parquet):
        site.fail(PARQUET, Cut(100_000), IgnoreRange())
        got = fetch(PARQUET)
        assert (got.path.read_bytes(), got.bytes_read) == (parquet, len(parquet) + 100_000)
        assert [status for _, _, status, _ in gets()] == [200, 200]

    def test_a_server_that_ignores_ranges_and_always_breaks_is_given_up(self, fetch, site, gets):
        site.fail(PARQUET, (IgnoreRange(), Cut(100_000)), times=None)
        with pytest.raises(SourceUnavailable, match="failed 4 times, the last 3 in a row without"):
            fetch(PARQUET)
        assert len(gets()) == 4  # the first made progress

    def test_a_length_that_promises_too_much_is_a_broken_connection(self, fetch, site, parquet):
        site.fail(PARQUET, WrongLength(1_000))
        assert fetch(PARQUET).path.read_bytes() == parquet

    def test_a_server_that_begins_to_refuse_is_blocked(self, fetch, site):
        site.fail(PARQUET, Cut(100_000))
        site.fail(PARQUET, Answer(403), times=None)
        with pytest.raises(SourceBlocked, match=r"answered 403\. Wait an hour"):
            fetch(PARQUET)

    def test_a_file_that_vanishes_is_unavailable(self, fetch, site):
        file = fetch.find(PARQUET)
        site.remove(PARQUET)
        site.fail(PARQUET, Answer(404), times=None)
        with pytest.raises(SourceUnavailable, match="may have been withdrawn"):
            fetch.download(file)

    def test_other_refusals_are_final_at_once(self, fetch, site, gets):
        site.fail(PARQUET, Answer(401))
        with pytest.raises(SourceBlocked, match="401"):
            fetch(PARQUET)
        assert len(gets()) == 1


class TestChangingFile:
    @pytest.mark.parametrize("heed_if_range", [True, False])
    def test_never_mixes_two_versions(self, fetch, site, gets, republished, heed_if_range):
        site.fail(PARQUET, Cut(700_000), Change(republished, heed_if_range=heed_if_range))
        got = fetch(PARQUET)
        assert got.path.read_bytes() == republished
        assert got.etag == fetch.find(PARQUET).etag
        statuses = [status for _, _, status, _ in gets()]
        assert statuses == ([200, 200] if heed_if_range else [200, 206, 200])

    @pytest.mark.parametrize("heed_if_range", [True, False])
    def test_notices_another_version_of_the_same_length(self, fetch, site, parquet, heed_if_range):
        other = parquet[:4] + bytes(len(parquet) - 50_000) + parquet[-50_000 + 4 :]
        assert len(other) == len(parquet)
        site.fail(PARQUET, Cut(700_000), Change(other, heed_if_range=heed_if_range))
        assert fetch(PARQUET).path.read_bytes() == other

    def test_brings_what_is_there_now_rather_than_what_was_found(self, fetch, site, republished):
        found = fetch.find(PARQUET)
        site.put(PARQUET, republished)
        put_at = datetime.now(UTC)
        got = fetch.download(found)
        assert got.path.read_bytes() == republished
        assert got.etag == fetch.find(PARQUET).etag != found.etag
        assert put_at <= got.rechecked_at <= datetime.now(UTC)
        assert fetch(PARQUET).rechecked_at is None  # from the cache: the version that was found

    def test_says_when_it_asked_for_the_version_that_replaced_another_halfway(self, fetch, site, republished):
        changed = []

        def change(done: int, _total: int | None) -> None:
            if done and not changed:
                site.put(PARQUET, republished)
                changed.append(datetime.now(UTC))

        site.fail(PARQUET, Cut(1_200_000))
        got = fetch(PARQUET, on_progress=change)
        assert got.path.read_bytes() == republished
        assert got.rechecked_at >= changed[0]

    def test_the_version_that_was_found_was_seen_then(self, fetch):
        assert fetch(PARQUET).rechecked_at is None

    def test_a_part_of_an_older_version_is_not_continued(self, fetch, site, gets, republished):
        site.fail(PARQUET, Cut(700_000), Cut(0), Cut(0), Cut(0))
        with pytest.raises(SourceUnavailable):
            fetch(PARQUET)
        site.forget_requests()
        site.put(PARQUET, republished)
        assert fetch(PARQUET).path.read_bytes() == republished
        assert gets() == [(None, None, 200, len(republished))]

    @pytest.mark.parametrize("heed_if_range", [True, False])
    def test_gives_up_on_a_file_that_keeps_changing(self, fetch, site, parquet, heed_if_range):
        for number in range(20):
            change = Change(parquet[:-1] + bytes([number]), heed_if_range=heed_if_range)
            site.fail(PARQUET, (change, Cut(10_000)))
        with pytest.raises(SourceChanged, match=r"changed 4 times.*Run again in an hour") as error:
            fetch.with_retry_policy(failures=9)(PARQUET)
        assert error.value.url == site.url + PARQUET

    def test_a_file_that_shrank_below_the_part_is_begun_anew(self, fetch, site, gets):
        content = b"pickup,zone\n" * 10_000
        site.put("/misc/x.csv", content)
        site.fail("/misc/x.csv", Cut(100_000), Change(content[:60_000], heed_if_range=False))
        assert fetch("/misc/x.csv").path.read_bytes() == content[:60_000]
        assert [status for _, _, status, _ in gets()] == [200, 416, 200]


class TestWrongContent:
    """Whole answers that are not the file: tried again from zero, then an error that shows what came."""

    @pytest.fixture
    def bad(self, tlc):
        return lambda name: next((tlc / "bad").glob(f"*{name}*")).read_bytes()

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("html_page", r"sent an HTML page, expected a gzip file.*'Release Green NY Taxi data 2019-2021"),
            ("git_lfs", r"sent a Git LFS pointer.*'version https://git-lfs.github.com"),
            ("merge_conflict", r"sent a file with merge conflict markers, expected a gzip file.*'<<<<<<< HEAD"),
        ],
    )
    def test_real_bad_downloads_are_recognised(self, fetch, site, bad, name, says):
        site.put(CSV, bad(name))
        with pytest.raises(NotTripFile, match=says) as error:
            fetch(CSV)
        assert error.value.url == site.url + CSV
        assert "Open the URL in a browser" in str(error.value)
        assert [request.status for request in site.requests if request.method == "GET"] == [200, 200, 200]
        assert not list(fetch.cache.glob("*/*.gz"))
        assert leftovers(fetch.cache) == []

    def test_merge_conflict_markers_are_recognised_in_plain_csv(self, fetch, site, bad):
        site.put(ZONES, bad("merge_conflict"))
        with pytest.raises(NotTripFile, match="merge conflict markers"):
            fetch(ZONES)

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            (b'{"error": "rate limited"}', r"sent JSON.*rate limited"),
            (b"<html><title>Sorry</title>", r"sent an HTML page.*'Sorry'"),
            (b'<?xml version="1.0"?><Error><Code>SlowDown</Code></Error>', r"sent an XML document.*SlowDown"),
            (b"", "sent an empty file"),
            (b"just text", r"sent text, expected a Parquet file; it begins: 'just text'"),
            (b"\x1f\x8b\x08\x00 zipped", r"sent a gzip stream"),
        ],
    )
    def test_a_passing_error_page_with_status_200_costs_one_more_try(self, fetch, site, parquet, body, says):
        site.fail(PARQUET, Answer(200, body))
        assert fetch(PARQUET).path.read_bytes() == parquet

        site.fail(OTHER_PARQUET, Answer(200, body), times=None)
        with pytest.raises(NotTripFile, match=says):
            fetch(OTHER_PARQUET)

    def test_an_error_page_in_place_of_the_rest_does_not_end_up_in_the_file(self, fetch, site, parquet):
        site.fail(PARQUET, Cut(700_000), Answer(200, b"<html>sorry"))
        assert fetch(PARQUET).path.read_bytes() == parquet

    @pytest.mark.parametrize("path", [PARQUET, CSV, ZONES])
    def test_a_consistent_half_file_is_noticed(self, fetch, site, cache, path):
        length = fetch.find(path).length
        site.fail(path, Truncate(length // 2))
        assert fetch(path).length == length

        fetch.cache = cache / "other"
        site.fail(path, Truncate(length // 2), method="GET", times=None)
        with pytest.raises(NotTripFile, match=rf"sent {length // 2:,} bytes, expected {length:,}"):
            fetch(path)

    @pytest.mark.parametrize(
        ("path", "says"), [(PARQUET, "without its footer"), (CSV, "gzip file that breaks off before its end")]
    )
    def test_a_half_file_is_noticed_though_head_agrees_with_it(self, fetch, site, path, says):
        site.fail(path, Truncate(1_000_000), method=None, times=None)
        with pytest.raises(NotTripFile, match=says):
            fetch(path)

    def test_a_length_that_promises_too_little_is_noticed(self, fetch, site, parquet):
        site.fail(PARQUET, WrongLength(-1_000))
        assert fetch(PARQUET).path.read_bytes() == parquet

    def test_a_body_that_ends_early_without_a_length_is_noticed(self, fetch, site, csv_gz):
        site.fail(CSV, NoLength(), method="HEAD")
        site.fail(CSV, (NoLength(), Cut(1_000_000)))
        assert fetch(CSV).path.read_bytes() == csv_gz


class TestCache:
    def test_the_same_version_is_not_asked_for_again(self, fetch, site, parquet):
        first = fetch(PARQUET)
        file = fetch.find(PARQUET)
        site.forget_requests()
        again = fetch.download(file)
        assert (again.path, again.etag, again.length, again.bytes_read) == (first.path, first.etag, len(parquet), 0)
        assert site.requests == []

    def test_a_republished_file_replaces_the_old_one(self, fetch, site, republished):
        first = fetch(PARQUET)
        site.put(PARQUET, republished)
        second = fetch(PARQUET)
        assert second.etag != first.etag
        assert second.path.read_bytes() == republished

    def test_length_and_date_stand_in_for_a_missing_etag(self, fetch, site):
        site.fail(PARQUET, NoEtag(keep_last_modified=True), method=None, times=None)
        first = fetch(PARQUET)
        assert fetch(PARQUET) == type(first)(first.path, first.etag, 0, first.length)

    def test_the_identity_is_known_without_a_download_where_it_can_be(self, fetch, site, parquet):
        assert cached_version(fetch.find(PARQUET), fetch.cache) == fetch(PARQUET).etag
        site.fail(OTHER_PARQUET, NoEtag(keep_last_modified=True), method=None, times=None)
        assert cached_version(fetch.find(OTHER_PARQUET), fetch.cache) is None
        got = fetch(OTHER_PARQUET)
        assert cached_version(fetch.find(OTHER_PARQUET), fetch.cache) == got.etag

    def test_nothing_stands_in_for_both(self, fetch, site, parquet):
        site.fail(PARQUET, NoEtag(), method=None, times=None)
        first = fetch(PARQUET)
        second = fetch(PARQUET)
        assert (second.etag, second.bytes_read) == (first.etag, len(parquet))

    def test_a_weak_etag_is_enough_to_reuse_a_whole_file(self, fetch, site):
        site.fail(PARQUET, WeakEtag(), method=None, times=None)
        assert [fetch(PARQUET).bytes_read > 0, fetch(PARQUET).bytes_read > 0] == [True, False]

    def test_a_file_that_lost_bytes_on_disk_is_downloaded_again(self, fetch, parquet):
        with fetch(PARQUET).path.open("r+b") as file:
            file.truncate(1000)
        assert fetch(PARQUET).path.read_bytes() == parquet

    def test_a_file_without_a_note_of_its_version_is_downloaded_again(self, fetch, parquet):
        path = fetch(PARQUET).path
        path.with_name(f"{path.name}.json").write_text("{")
        path.write_bytes(bytes(len(parquet)))
        assert fetch(PARQUET).path.read_bytes() == parquet

    def test_two_sources_with_the_same_file_name_do_not_collide(self, fetch, site, tlc, republished):
        first = fetch(PARQUET)
        with TripSite() as other:
            other.put(PARQUET, republished)
            fetch.base = other.url
            second = fetch(PARQUET)
        assert first.path.name == second.path.name
        assert (first.path.read_bytes() == republished, second.path.read_bytes() == republished) == (False, True)

    def test_a_whole_part_needs_no_request(self, fetch, site, cache, parquet):
        """As a process leaves it that was killed between the last byte and the rename."""
        path = fetch(PARQUET).path
        path.rename(f"{path}.part")
        path.with_name(f"{path.name}.json").rename(f"{path}.part.json")
        file = fetch.find(PARQUET)
        site.forget_requests()
        got = fetch.download(file)
        assert (got.path.read_bytes(), got.bytes_read, site.requests) == (parquet, 0, [])
        assert leftovers(cache) == []

    def test_threads_that_want_the_same_file_download_it_once(self, fetch, gets, parquet):
        file = fetch.find(PARQUET)
        with ThreadPoolExecutor(6) as pool:
            results = list(pool.map(lambda _: fetch.download(file), range(6)))
        assert sorted(one.bytes_read for one in results) == [0] * 5 + [len(parquet)]
        assert len(gets()) == 1

    def test_threads_that_want_different_files_go_side_by_side(self, fetch):
        both_under_way = threading.Barrier(2, timeout=10)

        def meet(done: int, length: int | None) -> None:
            if done == 0:
                both_under_way.wait()

        with ThreadPoolExecutor(2) as pool:
            results = pool.map(lambda path: fetch(path, on_progress=meet), (PARQUET, OTHER_PARQUET))
            assert all(one.bytes_read for one in results)


def test_an_error_in_on_progress_is_the_callers_own_and_leaves_the_part(fetch, site, gets, parquet):
    def stop(done: int, length: int | None) -> None:
        if done:
            raise ConnectionError("cancelled")

    with pytest.raises(ConnectionError, match="cancelled"):
        fetch(PARQUET, on_progress=stop)
    got = fetch(PARQUET)
    assert 0 < got.bytes_read < len(parquet)
    assert got.path.read_bytes() == parquet


def test_a_signed_url_is_not_shown_in_errors_of_the_download(fetch, site):
    site.put("/signed.parquet", b"<html>")
    for fault in (None, Answer(500), Answer(403), Answer(401), Answer(404), Cut(1)):
        site.heal("/signed.parquet")
        if fault:
            site.fail("/signed.parquet", fault, times=None)
        file = SourceFile(f"{site.url}/signed.parquet?sig=SECRET", None, None, None)
        with pytest.raises((NotTripFile, SourceUnavailable, SourceBlocked)) as error:
            fetch.download(file)
        assert "SECRET" not in f"{error.value!r} {error.value.url} {error.value.__cause__!r}"
        assert error.value.url == f"{site.url}/signed.parquet"
