"""Trip files that went wrong for other people: each has its right outcome in Postgres, the lake and the warehouse."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from deployments.tlc_site.faults import GzipEncoded
from deployments.tlc_site.site import TripSite
from flows import load_month, reconcile
from flows.tlc.dataset import Dataset, Source
from flows.tlc.errors import MonthsFailed
from flows.tlc.locations import month_path
from flows.tlc.month import Month
from flows.tlc.report import TARGETS, LoadReport
from tests.conftest import TLC, Database

CASES = TLC.parent / "cases"
ROWS = 400


@dataclass(frozen=True)
class OddFile:
    """A file of 400 rows that a source serves as a month, and what a load has to make of it.

    ``rejected`` rows are kept out, under ``rule`` with ``words`` in their detail. If ``loads`` is false, every target
    is as it was and the error has ``words``. ``query``, over the loaded trips, answers ``answer`` in every target.
    """

    folder: str
    dataset: Dataset
    month: str
    source: Source = Source.tlc
    new_columns: str = "fail"
    loads: bool = True
    rejected: int = 0
    words: tuple[str, ...] = ()
    query: str = "count(*)"
    answer: object = None

    def __str__(self) -> str:
        return self.folder.partition("-")[2]

    @property
    def path(self) -> str:
        return month_path(self.dataset, Month.parse(self.month), self.source)

    @property
    def content(self) -> bytes:
        return next((CASES / self.folder).iterdir()).read_bytes()


GREEN = {"dataset": Dataset.green, "month": "2023-12"}
MIRROR = {"dataset": Dataset.green, "month": "2020-12", "source": Source.mirror}
YELLOW = {"dataset": Dataset.yellow, "month": "2025-01"}

ODD_FILES = [
    OddFile("D01-one-stray-quote", **MIRROR, rejected=1),
    OddFile("D02-two-stray-quotes", **MIRROR, rejected=2),
    OddFile("D03-zero-rows", **GREEN, loads=False, words=("no row",)),
    OddFile("D04-latin1-in-parquet-string", **GREEN, rejected=1, words=("store_and_fwd_flag", "\\xe9")),
    OddFile(
        "D05-int96-year-3019",
        **GREEN,
        query="max(lpep_dropoff_datetime)::varchar",
        answer="3019-01-02 03:04:05",
    ),
    OddFile("D06-page-crc-broken", **GREEN, loads=False, words=("damaged",)),
    OddFile("D07-yellow-flag-large-binary-bad-byte", **YELLOW, rejected=1, words=("store_and_fwd_flag",)),
    OddFile("D08-missing-as-backslash-N", **MIRROR, query="count(*) - count(passenger_count)", answer=40),
    OddFile("D09-times-in-utc", **GREEN, loads=False, words=("lpep_pickup_datetime", "UTC")),
    OddFile("D10-airport-fee-twice", **YELLOW, query="count(airport_fee)", answer=400),
    OddFile(
        "D11-decimal-amounts", **GREEN, query="sum(case when total_amount = 25.9 then 1 else 0 end) > 0", answer=True
    ),
    OddFile("D12-content-encoding-gzip", **GREEN),
    OddFile("D13-renamed-total-keep", **GREEN, new_columns="keep", loads=False, words=("total_amount", "until")),
    OddFile(
        "D14-yellow-bool-flag", **YELLOW, query="sum(case when store_and_fwd_flag = 'Y' then 1 else 0 end)", answer=2
    ),
    OddFile("D15-blank-line-before-header", **MIRROR),
    OddFile("D16-fhv-under-fhvhv-name", Dataset.fhvhv, "2020-04", loads=False, words=("hvfhs_license_num",)),
    OddFile("D17-us-am-pm-times", **MIRROR, loads=False, words=("lpep_pickup_datetime", "12/01/2020 12:29:37 AM")),
    OddFile("D18-keep-ctid", **GREEN, new_columns="keep"),
    OddFile("D19-trailing-comma-header-and-rows", **MIRROR),
    OddFile(
        "D20-payment-words-large-binary-2009",
        Dataset.yellow,
        "2009-01",
        query="sum(payment_type)::int",
        answer=1_129,
    ),
    OddFile("D21-infinite-totals", **GREEN, rejected=2, words=("total_amount", "inf")),
    OddFile("D22-unnamed-index", **GREEN),
    OddFile("D23-keep-binary-column", **GREEN, new_columns="keep", loads=False, words=("sig",)),
]


@pytest.fixture(scope="session")
def cases() -> Path:
    """The folder of odd files; without it the tests are skipped by name, and CI fails."""
    if not CASES.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{CASES} is not there: CI runs no test on odd trip files")
        pytest.skip(f"NO ODD TRIP FILES: {CASES} is not there")
    return CASES


@pytest.fixture
def targets(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake in a folder and a DuckDB file as the warehouse; returns the folder of both."""
    monkeypatch.setenv("TLC_LAKE_URL", f"file://{tmp_path}/lake")
    monkeypatch.setenv("TLC_WAREHOUSE_URL", f"duckdb:///{tmp_path}/warehouse.duckdb")
    return tmp_path


@pytest.fixture
def ask(targets: Path, database: Database) -> Callable[[OddFile, str], list[object]]:
    """The answer of Postgres, the lake and the warehouse to one expression over a month's trips."""

    def ask(odd: OddFile, expression: str) -> list[object]:
        month = f"{odd.month}-01"
        lake = targets / f"lake/trips/{odd.dataset}/unpartitioned/{odd.dataset}_tripdata_{odd.month}.parquet"
        answers = [database.value(f"select {expression} from tlc.{odd.dataset}_trips where source_month = %s", month)]
        with duckdb.connect() as connection:
            answers += connection.execute(f"select {expression} from read_parquet('{lake}')").fetchone()
        with duckdb.connect(targets / "warehouse.duckdb", read_only=True) as connection:
            query = f"select {expression} from tlc.{odd.dataset}_trips where source_month = '{month}'"
            answers += connection.execute(query).fetchone()
        return answers

    return ask


def _load(odd: OddFile) -> list[LoadReport]:
    outcome = load_month(
        dataset=odd.dataset, month=odd.month, targets=list(TARGETS), source=odd.source, new_columns=odd.new_columns
    )
    return outcome.reports


@pytest.mark.parametrize("odd", [odd for odd in ODD_FILES if odd.loads], ids=str)
def test_an_odd_file_is_loaded_with_the_right_values(
    cases: Path, site: TripSite, database: Database, ask: Callable, odd: OddFile
) -> None:
    site.put(odd.path, odd.content)
    if "content-encoding" in odd.folder:
        site.fail(odd.path, GzipEncoded(), times=None)

    reports = _load(odd)

    assert [report.rows_read for report in reports] == [ROWS] * 3
    assert [report.rows_rejected for report in reports] == [odd.rejected] * 3
    assert ask(odd, "count(*)") == [ROWS - odd.rejected] * 3
    if odd.answer is not None:
        assert ask(odd, odd.query) == [odd.answer] * 3
    rejected = database.query("select rule || ': ' || coalesce(detail, '') || record from tlc.rejected_trips")
    assert len(rejected) == odd.rejected
    assert all(word in row for (row,) in rejected for word in odd.words)
    assert (
        reconcile(dataset=odd.dataset, start_month=odd.month, end_month=odd.month, check_source="none").differing == []
    )


@pytest.mark.parametrize("odd", [odd for odd in ODD_FILES if not odd.loads], ids=str)
def test_an_odd_file_is_refused_and_leaves_the_month_as_it_was(
    cases: Path, tlc: Path, site: TripSite, database: Database, ask: Callable, odd: OddFile
) -> None:
    good = _good_month(tlc, odd)
    if good is not None:
        site.put(odd.path, good)
        _load(odd)
        before = (ask(odd, "count(*)"), _columns(database, odd))
    site.put(odd.path, odd.content)

    with pytest.raises(MonthsFailed) as caught:
        _load(odd)

    assert str(caught.value).startswith(f"{odd.dataset} {odd.month}: ")
    for word in odd.words:
        assert word in str(caught.value)
    json.loads(caught.value.report.model_dump_json())
    if good is not None:
        assert (ask(odd, "count(*)"), _columns(database, odd)) == before


def _good_month(tlc: Path, odd: OddFile) -> bytes | None:
    """The real file of the month, if it is at hand."""
    file = next((path for path in tlc.rglob(odd.path.rpartition("/")[2])), None)
    return file.read_bytes() if file else None


def _columns(database: Database, odd: OddFile) -> list[tuple]:
    return database.query(
        "select column_name from information_schema.columns where table_schema = 'tlc' and table_name = %s order by 1",
        f"{odd.dataset}_trips",
    )
