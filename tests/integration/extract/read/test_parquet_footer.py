"""Rows and pickups of a file at the source, from a few kilobytes of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deployments.tlc_site.faults import Answer, GzipEncoded, IgnoreRange
from deployments.tlc_site.site import TripSite
from deployments.tlc_site.synthetic.months import make_month
from flows.extract.download.find import SourceFile, find_file
from flows.extract.download.retry import RetryPolicy
from flows.extract.read.parquet_footer import FIRST_BYTES, read_footer
from flows.tlc.dataset import Dataset
from flows.tlc.errors import NotTripFile, SourceBlocked, SourceChanged, SourceUnavailable
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.tlc.totals import Totals

GREEN = schema_of(Dataset.green)
QUICK = RetryPolicy(failures=3, first_wait=0.01, longest_wait=0.02, connect=2, read=2)
PATH = "/trip-data/green_tripdata_2020-12.parquet"


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


def found(client: httpx.Client, site: TripSite, path: str = PATH) -> SourceFile:
    file = find_file(client, site.url + path, site.url + path, retry_policy=QUICK)
    assert file is not None
    return file


def read(client: httpx.Client, site: TripSite, path: str = PATH, schema=GREEN) -> Totals | None:
    return read_footer(client, found(client, site, path), schema, retry_policy=QUICK)


def test_a_real_file_says_its_rows_and_pickups_in_one_small_request(client, site: TripSite, tlc: Path) -> None:
    totals = read(client, site)

    assert totals == Totals(
        83_130, first_pickup=datetime(2009, 1, 1, 21, 46, 25), last_pickup=datetime(2021, 1, 1, 0, 3, 16)
    )
    pickups = pq.read_table(tlc / f"cdn{PATH}")["lpep_pickup_datetime"].to_pylist()
    assert (min(pickups), max(pickups)) == (totals.first_pickup, totals.last_pickup)
    head, get = site.requests
    assert (head.method, get.method, get.status) == ("HEAD", "GET", 206)
    assert get.bytes_sent <= 32 * 1024


def test_a_file_without_statistics_says_its_rows(client, site: TripSite) -> None:
    assert read(client, site, PATH.replace("2020-12", "2023-12")) == Totals(64_215)


def test_text_times_are_not_taken_for_times(client, site: TripSite) -> None:
    table = make_month(Dataset.yellow, Month(2009, 1), 500)
    site.put(PATH, in_parquet(table))
    assert read(client, site, schema=schema_of(Dataset.yellow)) == Totals(500)


def test_nanoseconds_are_times_too(client, site: TripSite) -> None:
    moments = pa.array([1_577_836_800_123_456_000, 1_577_836_900_000_000_000], pa.timestamp("ns"))
    site.put(PATH, in_parquet(pa.table({"lpep_pickup_datetime": moments})))
    totals = read(client, site)
    assert totals == Totals(2, None, None, datetime(2020, 1, 1, 0, 0, 0, 123_456), datetime(2020, 1, 1, 0, 1, 40))


@pytest.mark.parametrize("seconds", [253_402_300_800, -62_135_596_801], ids=["year 10000", "year 0"])
def test_times_that_python_does_not_have_are_not_told(client, site: TripSite, seconds: int) -> None:
    moments = pa.array([seconds * 1_000_000, 0], pa.timestamp("us"))
    site.put(PATH, in_parquet(pa.table({"lpep_pickup_datetime": moments})))
    assert read(client, site) == Totals(2)


def test_a_long_footer_takes_a_second_request_and_all_row_groups_count(client, site: TripSite) -> None:
    table = make_month(Dataset.green, Month(2020, 12), 3_000)
    site.put(PATH, in_parquet(table, row_group_size=50))
    totals = read(client, site)
    assert totals is not None
    pickups = [moment for moment in table["lpep_pickup_datetime"].to_pylist() if moment]
    assert totals == Totals(3_000, None, None, min(pickups), max(pickups))
    assert [request.method for request in site.requests] == ["HEAD", "GET", "GET"]


def test_a_server_without_ranges_says_nothing(client, site: TripSite) -> None:
    file = found(client, site)
    site.fail(PATH, Answer(200, b"the whole file"))
    assert read_footer(client, file, GREEN, retry_policy=QUICK) is None
    assert read_footer(client, SourceFile(file.url, None, None, None), GREEN, retry_policy=QUICK) is None


def test_a_server_that_stops_giving_ranges_says_nothing(client, site: TripSite) -> None:
    site.put(PATH, in_parquet(make_month(Dataset.green, Month(2020, 12), 3_000), row_group_size=50))
    file = found(client, site)
    first = client.get(file.url, headers={"Range": f"bytes={file.length - FIRST_BYTES}-{file.length - 1}"})
    site.fail(PATH, Answer(206, first.content, dict(first.headers)), IgnoreRange())
    assert read_footer(client, file, GREEN, retry_policy=QUICK) is None


def test_a_server_that_encodes_says_nothing_unless_it_is_a_label_only(client, site: TripSite) -> None:
    site.fail(PATH, GzipEncoded(), method=None, times=None)
    assert read(client, site) is None
    site.heal(PATH)
    file = found(client, site)
    site.fail(PATH, GzipEncoded())
    assert read_footer(client, file, GREEN, retry_policy=QUICK) is None
    site.heal(PATH)
    site.fail(PATH, GzipEncoded(compress=False), method=None, times=None)
    assert read(client, site).rows == 83_130


def test_passing_failures_are_tried_again_and_others_end(client, site: TripSite) -> None:
    file = found(client, site)
    site.fail(PATH, Answer(503), Answer(503))
    assert read_footer(client, file, GREEN, retry_policy=QUICK).rows == 83_130
    site.fail(PATH, Answer(503), times=None)
    with pytest.raises(SourceUnavailable, match="failed 3 times"):
        read_footer(client, file, GREEN, retry_policy=QUICK)
    site.heal(PATH)
    site.fail(PATH, Answer(403))
    with pytest.raises(SourceBlocked):
        read_footer(client, file, GREEN, retry_policy=QUICK)


def test_a_file_published_anew_meanwhile_is_not_mixed(client, site: TripSite, tlc: Path) -> None:
    file = found(client, site)
    site.put(PATH, (tlc / "cdn/trip-data/green_tripdata_2023-12.parquet").read_bytes())
    with pytest.raises(SourceChanged, match="published anew while it was looked at"):
        read_footer(client, file, GREEN, retry_policy=QUICK)
    site.put(PATH, b"PAR1")
    with pytest.raises(SourceChanged):
        read_footer(client, file, GREEN, retry_policy=QUICK)


@pytest.mark.parametrize(
    "content", [b"<html>" * 100, b"x" * 100 + b"\xff\xff\xff\x7fPAR1", b"x" * 90 + b"\x10\0\0\0PAR1"]
)
def test_what_is_no_parquet_is_said(client, site: TripSite, content: bytes) -> None:
    site.put(PATH, content)
    with pytest.raises(NotTripFile, match="is no Parquet file"):
        read(client, site)


def test_names_that_are_no_text_are_no_parquet(client, site: TripSite) -> None:
    moments = pa.array([0], pa.timestamp("us"))
    content = in_parquet(pa.table({"lpep_pickup_datetime": moments}), store_schema=False)
    site.put(PATH, content.replace(b"lpep_pickup", b"lpep\x96pickup"))
    with pytest.raises(NotTripFile, match=r"is no Parquet file: .*utf-8"):
        read(client, site)


def in_parquet(table: pa.Table, **options) -> bytes:
    written = io.BytesIO()
    pq.write_table(table, written, **options)
    return written.getvalue()
