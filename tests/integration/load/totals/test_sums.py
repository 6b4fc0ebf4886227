"""The control sums of real months, in each system, against what numpy makes of the source's files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.load.bigquery import totals as bigquery_totals
from flows.load.lake.protocol import Lake
from flows.load.lake.totals import sum_month
from flows.load.postgres import totals as postgres_totals
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month
from flows.tlc.totals import Totals, differences
from tests.integration.load.totals.conftest import MONTHS, expected_totals, real
from tests.integration.load.warehouse.lake_months import made_month
from tests.integration.load.warehouse.rigs import BigQueryRig, DuckDbRig, Rig, bigquery_rig, duckdb_rig

GREEN = Dataset.green
FIRST, LAST = Month(2014, 1), Month(2024, 1)


def assert_sums(found: dict[str, Totals], tlc: Path) -> None:
    assert list(found) == list(MONTHS)
    for month in MONTHS:
        expected = expected_totals(real(tlc, month))
        assert differences(found[month], expected) == {}
        assert None not in (found[month].amounts, found[month].distances, found[month].last_pickup)
    assert found["2020-12"].rows == 83_130


def test_postgres_reads_the_partitions_of_these_months_alone(database, into_postgres: Callable, tlc: Path) -> None:
    connection = database.connect()
    assert postgres_totals.sum_months(connection, GREEN, FIRST, LAST) == {}
    for month in MONTHS:
        into_postgres(real(tlc, month), "green", month)

    assert_sums(postgres_totals.sum_months(connection, GREEN, FIRST, LAST), tlc)
    assert list(postgres_totals.sum_months(connection, GREEN, Month(2021, 1), LAST)) == ["2023-12"]
    statement = postgres_totals.totals_statement(GREEN, Month(2020, 1), Month(2020, 12)).as_string(connection)
    plan = "\n".join(line for (line,) in database.query(f"explain {statement}"))
    assert "green_trips_2020_12" in plan
    assert "green_trips_2023_12" not in plan
    connection.close()


@pytest.fixture(params=["duckdb", "bigquery"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param == "duckdb":
        yield duckdb_rig(tmp_path)
        return
    with bigquery_rig() as rig:
        yield rig


def test_both_warehouses_add_up_the_same(rig: Rig, tlc: Path) -> None:
    assert rig.warehouse.sum_months(GREEN, FIRST, LAST) == {}
    for month in MONTHS:
        rig.load(rig.lake.write("green", month, real(tlc, month)))

    assert_sums(rig.warehouse.sum_months(GREEN, FIRST, LAST), tlc)
    assert list(rig.warehouse.sum_months(GREEN, Month(2021, 1), LAST)) == ["2023-12"]
    assert rig.warehouse.sum_months(GREEN, Month(2021, 1), Month(2021, 2)) == {}
    assert rig.warehouse.sum_months(Dataset.yellow, FIRST, LAST) == {}


@pytest.mark.parametrize(("dataset", "has_amounts"), [("yellow", True), ("fhv", False), ("fhvhv", True)], ids=str)
def test_each_dataset_by_its_own_columns(rig: Rig, tmp_path: Path, dataset: str, has_amounts: bool) -> None:
    rig.load(rig.lake.write(dataset, "2020-10", made_month(tmp_path, dataset, "2020-10", 400)))
    found = rig.warehouse.sum_months(Dataset(dataset), FIRST, LAST)["2020-10"]
    assert found.rows > 300
    assert (found.amounts is not None, found.distances is not None) == (has_amounts, has_amounts)
    assert found.first_pickup is not None


@pytest.fixture
def bigquery() -> Iterator[BigQueryRig]:
    with bigquery_rig() as rig:
        yield rig


def test_the_query_may_cost_what_its_partitions_do_and_no_more(bigquery: BigQueryRig, tlc: Path) -> None:
    server = bigquery.server
    assert server is not None
    for month in MONTHS:
        bigquery.load(bigquery.lake.write("green", month, real(tlc, month)))
    bigquery.warehouse.sum_months(GREEN, FIRST, LAST)

    (job,) = [job for job in server.jobs if job["configuration"].get("labels", {}).get("purpose") == "tlc-reconcile"]
    assert job["configuration"]["labels"]["dataset"] == "green"
    limit = int(job["configuration"]["query"]["maximumBytesBilled"])
    billed = int(job["statistics"]["query"]["totalBytesBilled"])
    assert billed <= limit <= 2 * billed
    assert server.unbounded_queries == []


def test_a_limit_that_is_too_low_is_refused_by_the_stand_in(
    bigquery: BigQueryRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the test above can fail; and months outside of the range cost nothing."""
    server = bigquery.server
    assert server is not None
    for month in ("2020-10", "2020-11"):
        bigquery.load(bigquery.lake.write("green", month, made_month(tmp_path, "green", month, 2_000)))
    read = {}
    for last in (Month(2020, 10), Month(2020, 11)):
        bigquery.warehouse.sum_months(GREEN, Month(2020, 10), last)
        read[str(last)] = int(server.jobs[-1]["statistics"]["totalBytesProcessed"])
    assert read["2020-11"] == pytest.approx(2 * read["2020-10"], rel=0.01)
    assert read["2020-10"] <= 2_000 * 4 * 8

    monkeypatch.setattr(bigquery_totals, "bytes_to_read", lambda _dataset, _rows: 1_000_000)
    with pytest.raises(Exception, match="bytes billed"):
        bigquery.warehouse.sum_months(GREEN, FIRST, LAST)


@pytest.mark.parametrize("rows", [0, 1, 3_000_000, 20_000_000])
def test_the_limit_is_a_tenth_above_the_columns(rows: int) -> None:
    limit = bigquery_totals.bytes_to_read(GREEN, rows)
    assert limit >= 10 * 1024**2
    assert limit >= rows * 4 * 8
    assert limit <= max(rows * 4 * 8 * 1.1 + 1024**2, 10 * 1024**2)


def test_reading_makes_no_duckdb_file(tmp_path: Path) -> None:
    rig: DuckDbRig = duckdb_rig(tmp_path)
    assert rig.warehouse.sum_months(GREEN, FIRST, LAST) == {}
    assert not rig.warehouse.path.exists()


def test_the_lake_adds_up_each_layout(lake: Lake, into_lake: Callable, tlc: Path) -> None:
    assert sum_month(lake, GREEN, Month(2020, 12)) is None
    for month in MONTHS:
        into_lake(lake, real(tlc, month), "green", month)
        found = sum_month(lake, GREEN, Month.parse(month))
        assert found is not None
        assert found.load.rows_loaded == expected_totals(real(tlc, month)).rows
        assert [layout.layout for layout in found.layouts] == ["unpartitioned", "partitioned"]
        for layout in found.layouts:
            assert layout.damage == ()
            assert differences(layout.totals, expected_totals(real(tlc, month))) == {}
