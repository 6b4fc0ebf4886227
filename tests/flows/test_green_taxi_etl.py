"""The course's homework, to the digit, from the mirror's real files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from deployments.tlc_site.fake_tlc_site import fake_tlc_site
from flows import green_taxi_etl
from flows.extract.download.cache import CacheSlot
from flows.tlc.errors import CheckFailed, NotTripFile, TooManyBadRows


def test_homework_reads_266_855_rows_and_loads_139_370(environment: Path, database) -> None:
    report = green_taxi_etl()

    assert (report.rows_read, report.rows_loaded, report.status) == (266_855, 139_370, "loaded")
    assert report.rows_rejected == sum(report.rejected_by_rule.values())
    assert database.value("select count(*) from mage.green_taxi") == 139_370
    assert database.query("select distinct vendor_id from mage.green_taxi order by 1") == [(1,), (2,)]
    assert database.value("select count(distinct lpep_pickup_date) from mage.green_taxi") == 95
    assert database.value("select bool_and(lpep_pickup_date = lpep_pickup_datetime::date) from mage.green_taxi")
    columns = [
        name
        for (name,) in database.query(
            "select attname from pg_attribute where attrelid = 'mage.green_taxi'::regclass and attnum > 0"
        )
    ]
    assert len(columns) == 21
    assert {"vendor_id", "ratecode_id", "pu_location_id", "do_location_id"} <= set(columns)


def test_homework_holds_for_the_made_up_months_of_a_demo(
    environment: Path, database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which have odd rows of every other kind; the deployment runs daily with these months."""
    with fake_tlc_site(tmp_path / "site") as made_up:
        monkeypatch.setenv("TLC_MIRROR_URL", made_up.url)
        report = green_taxi_etl()
    assert report.status == "loaded"
    assert database.value("select count(*) from mage.green_taxi") == report.rows_loaded > 20_000


def test_homework_run_again_replaces_the_table(environment: Path, database) -> None:
    green_taxi_etl(months=["2020-11", "2020-12"])
    report = green_taxi_etl(months=["2020-12"])

    assert database.value("select count(*) from mage.green_taxi") == report.rows_loaded
    assert report.rows_read == 83_130


def test_homework_fails_on_an_unknown_vendor_and_keeps_the_table(environment: Path, database, site, tlc: Path) -> None:
    before = green_taxi_etl(months=["2020-12"]).rows_loaded
    name = "/green/green_tripdata_2020-12.csv.gz"
    lines = gzip.decompress((tlc / "mirror" / name[1:]).read_bytes()).splitlines(keepends=True)
    lines[1] = b"9" + lines[1][1:]
    site.put(name, gzip.compress(b"".join(lines)))

    with pytest.raises(CheckFailed, match="vendor_id is one of 1, 2"):
        green_taxi_etl(months=["2020-12"])
    assert database.value("select count(*) from mage.green_taxi") == before


def test_month_that_stands_twice_is_refused(environment: Path, database) -> None:
    with pytest.raises(Exception, match="a month is given twice"):
        green_taxi_etl(months=["2020-12", "2020-12"])


def test_error_names_the_month_that_is_bad(environment: Path, site, tlc: Path) -> None:
    name = "/green/green_tripdata_2020-10.csv.gz"
    lines = gzip.decompress((tlc / "mirror" / name[1:]).read_bytes()).splitlines(keepends=True)
    ragged = [line.rstrip() + b",,\n" for line in lines[1:3000]]
    site.put(name, gzip.compress(b"".join([lines[0], *ragged, *lines[3000:]])))

    with pytest.raises(TooManyBadRows, match=r"^green 2020-10: 2,999 of 95,120 rows"):
        green_taxi_etl()


@pytest.mark.parametrize("damage", ["in its rows", "in its header"])
def test_damaged_month_of_several_is_named_and_only_its_download_is_dropped(
    environment: Path, database, site, tlc: Path, damage: str
) -> None:
    lines = gzip.decompress((tlc / "mirror/green/green_tripdata_2020-11.csv.gz").read_bytes()).splitlines(keepends=True)
    if damage == "in its rows":
        lines[5] = b"2" * (4 << 20) + b"\n"  # no trip is as long
    else:
        lines[0] = b"a,b\n"
    site.put("/green/green_tripdata_2020-11.csv.gz", gzip.compress(b"".join(lines), 1))

    with pytest.raises(NotTripFile, match=r"^green 2020-11: ") as caught:
        green_taxi_etl()
    assert caught.value.url == f"{site.url}/green/green_tripdata_2020-11.csv.gz"
    slots = [CacheSlot.of(environment, caught.value.url.replace("2020-11", f"2020-{month}")) for month in (10, 11, 12)]
    assert [slot.path.exists() for slot in slots] == [True, False, True]
