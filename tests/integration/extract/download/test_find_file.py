"""What a source says about a file is understood, whatever way it says it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from deployments.tlc_site.faults import Answer, Cut, NoEtag, NoLength, Stall, WeakEtag
from deployments.tlc_site.site import TripSite
from flows.tlc.errors import ParameterError, SourceBlocked, SourceUnavailable

PARQUET = "/trip-data/green_tripdata_2023-12.parquet"
CSV = "/green/green_tripdata_2020-12.csv.gz"
KNOWN = "/misc/taxi_zone_lookup.csv"
UNPUBLISHED = "/trip-data/green_tripdata_2031-01.parquet"


def statuses(site):
    return [(request.method, request.status) for request in site.requests]


def test_a_file_is_described_by_one_head(fetch, site, client, parquet):
    headers = client.head(site.url + PARQUET).headers
    site.forget_requests()
    file = fetch.find(PARQUET)
    assert (file.url, file.length) == (site.url + PARQUET, len(parquet))
    assert (file.etag, file.last_modified) == (headers["ETag"], headers["Last-Modified"])
    assert statuses(site) == [("HEAD", 200)]


@pytest.mark.parametrize("status", [403, 405, 501])
def test_where_head_is_refused_one_byte_is_asked_for(fetch, site, parquet, status):
    expected = fetch.find(PARQUET)
    site.forget_requests()
    site.fail(PARQUET, Answer(status), method="HEAD", times=None)
    assert fetch.find(PARQUET) == expected
    assert [(r.method, r.status, r.range) for r in site.requests] == [
        ("HEAD", status, None),
        ("GET", 206, "bytes=0-0"),
    ]


def test_404_is_not_published(fetch):
    assert fetch.find("/green/green_tripdata_2031-01.csv.gz") is None


def test_403_is_not_published_where_a_known_file_is_served(fetch, site):
    assert fetch.find(UNPUBLISHED) is None
    assert [(r.path, r.method, r.status) for r in site.requests] == [
        (UNPUBLISHED, "HEAD", 403),
        (UNPUBLISHED, "GET", 403),
        (KNOWN, "HEAD", 200),
    ]


def test_403_is_not_published_where_the_known_file_answers_a_ranged_get_only(fetch, site):
    site.fail(KNOWN, Answer(403), method="HEAD", times=None)
    assert fetch.find(UNPUBLISHED) is None


@pytest.mark.parametrize("known_status", [403, 404])
def test_403_is_blocked_where_the_known_file_is_refused_too(fetch, site, known_status):
    site.fail(KNOWN, Answer(known_status), method=None, times=None)
    with pytest.raises(
        SourceBlocked, match=rf"taxi_zone_lookup.csv.* answered {known_status} .*Wait an hour"
    ) as blocked:
        fetch.find(UNPUBLISHED)
    assert blocked.value.url == site.url + UNPUBLISHED


def test_403_is_an_outage_where_the_known_file_cannot_be_asked_for(fetch, site):
    site.fail(KNOWN, Answer(503), method=None, times=None)
    with pytest.raises(SourceUnavailable, match="503"):
        fetch.find(UNPUBLISHED)


@pytest.mark.parametrize("status", [401, 451])
def test_other_refusals_are_blocked_at_once(fetch, site, status):
    site.fail(PARQUET, Answer(status), method=None, times=None)
    with pytest.raises(SourceBlocked, match=str(status)):
        fetch.find(PARQUET)
    assert len(site.requests) == 1


def test_a_status_that_makes_no_sense_says_to_check_the_base_url(fetch, site):
    site.fail(PARQUET, Answer(400), method=None)
    with pytest.raises(SourceUnavailable, match=r"answered 400.*base URL"):
        fetch.find(PARQUET)


@pytest.mark.parametrize(
    "fault", [Answer(429), Answer(500), Answer(502), Answer(503), Answer(504), Cut(0), Stall(0, 90)]
)
def test_what_may_pass_is_tried_again(impatient, site, parquet, fault):
    site.fail(PARQUET, fault, fault, method="HEAD")
    assert impatient.find(PARQUET).length == len(parquet)
    assert len(site.requests) == 3


def test_a_source_that_keeps_failing_is_unavailable(fetch, site):
    site.fail(PARQUET, Answer(503), method=None, times=None)
    with pytest.raises(SourceUnavailable, match=r"failed 3 times.*answered 503.*run again later") as error:
        fetch.find(PARQUET)
    assert error.value.url == site.url + PARQUET
    assert len(site.requests) == 3


def test_a_source_out_of_reach_is_unavailable(fetch):
    with TripSite() as gone:
        fetch.base = gone.url
    with pytest.raises(SourceUnavailable, match=r"connection failed.*refused"):
        fetch.find(PARQUET)


def test_a_silent_source_is_unavailable(impatient, site):
    site.fail(PARQUET, Stall(0, 90), method=None, times=None)
    with pytest.raises(SourceUnavailable, match=r"nothing came for 1 s"):
        impatient.find(PARQUET)


@pytest.mark.parametrize("base", ["ftp://example.org", "no-scheme", "http://127.0.0.1:99999x"])
def test_a_base_url_that_is_none_is_a_mistake_in_the_parameters(fetch, base):
    fetch.base = base
    with pytest.raises(ParameterError, match="base URL"):
        fetch.find(PARQUET)


@pytest.mark.parametrize(
    ("retry_after", "at_least"),
    [
        (lambda: "30", 0.15),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True), 0.15),
        (lambda: format_datetime(datetime.now(UTC) - timedelta(seconds=30), usegmt=True), 0),
        (lambda: "soon", 0),
    ],
    ids=["seconds", "date", "past date", "nonsense"],
)
def test_retry_after_is_honoured_up_to_a_limit(fetch, site, retry_after, at_least):
    patient = fetch.with_retry_policy(longest_retry_after=0.15)
    site.fail(PARQUET, Answer(429, headers={"Retry-After": retry_after()}), method="HEAD")
    started = time.monotonic()
    patient.find(PARQUET)
    assert at_least <= time.monotonic() - started < 25


def test_missing_and_weak_headers_are_reported_as_they_are(fetch, site, parquet):
    site.fail(PARQUET, NoEtag(), WeakEtag(), NoLength(), method="HEAD")
    bare, weak, endless = (fetch.find(PARQUET) for _ in range(3))
    assert (bare.etag, bare.last_modified, bare.length) == (None, None, len(parquet))
    assert weak.etag.startswith('W/"')
    assert weak.strong_etag is None
    assert endless.length is None


class TestRedirects:
    """Release downloads redirect to a storage host, with a signature in the query."""

    @pytest.fixture
    def storage(self, tlc):
        with TripSite([tlc / "mirror"]) as storage:
            yield storage

    @pytest.fixture
    def signed(self, site, storage):
        url = f"{storage.url.replace('127.0.0.1', 'localhost')}{CSV}?sig=SECRET"
        site.fail(CSV, Answer(302, headers={"Location": url}), method=None, times=None)
        return url

    def test_are_followed_but_the_file_keeps_its_own_url(self, fetch, site, signed, csv_gz):
        file = fetch.find(CSV)
        assert (file.url, file.length) == (site.url + CSV, len(csv_gz))

    def test_work_where_the_signature_is_for_get_alone(self, fetch, storage, signed, csv_gz):
        storage.fail(CSV, Answer(403), method="HEAD", times=None)
        assert fetch.find(CSV).length == len(csv_gz)

    @pytest.mark.parametrize("status", [400, 401, 403, 503])
    def test_never_show_the_signature_in_an_error(self, fetch, storage, signed, caplog, status):
        storage.fail(CSV, Answer(status), method=None, times=None)
        caplog.set_level("INFO", "flows")
        with pytest.raises((SourceBlocked, SourceUnavailable)) as error:
            fetch.find(CSV, known=CSV)
        shown = f"{error.value} {error.value!r} {error.value.url} {error.value.__cause__}"
        flows_log = [record.getMessage() for record in caplog.records if record.name.startswith("flows")]
        assert "SECRET" not in shown + " ".join(flows_log)
        assert status not in (400, 401) or "redirected to localhost" in shown

    def test_that_never_end_are_an_error(self, fetch, site):
        site.fail(CSV, Answer(302, headers={"Location": site.url + CSV}), method=None, times=None)
        with pytest.raises(SourceUnavailable, match="redirect"):
            fetch.find(CSV)


def test_user_password_and_query_of_a_base_url_are_not_shown(fetch, site):
    fetch.base = site.url.replace("://", "://user:SECRET@")
    site.fail(PARQUET, Answer(401), method=None)
    with pytest.raises(SourceBlocked) as error:
        fetch.find(f"{PARQUET}?token=SECRET")
    assert "SECRET" not in f"{error.value} {error.value.url}"
