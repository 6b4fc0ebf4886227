"""Months of all datasets in Postgres and in a DuckDB file, and how a test looks at the marts of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from deployments.tlc_site.site import TripSite
from deployments.tlc_site.synthetic.months import write_parquet
from flows import load_month
from flows.tlc.dataset import Dataset, Source
from flows.tlc.locations import month_path
from flows.tlc.month import Month

Rows = list[tuple[Any, ...]]
Put = Callable[..., None]


@dataclass(frozen=True)
class Targets:
    """Both targets, by the names that flows have for them."""

    database: Any
    file: Path

    def query(self, target: str, sql: str) -> Rows:
        """The rows of a query, which both engines take."""
        if target == "postgres":
            return self.database.query(sql.replace("%", "%%"))
        with duckdb.connect(self.file) as connection:
            return connection.execute(sql).fetchall()

    def rows(self, target: str, mart: str, where: str = "true") -> Rows:
        """The mart's rows in an order of their own; sums and averages come last in it."""
        return sorted(self.query(target, f"select * from tlc_marts.{mart} where {where}"), key=by_keys)

    def remove(self, target: str, dataset: str, month: str) -> None:
        """Take the month's rows away behind the project's back."""
        if target == "postgres":
            self.database.query(f"drop table tlc.{dataset}_trips_{month.replace('-', '_')}; select 1")
        else:
            self.query(target, f"delete from tlc.{dataset}_trips where source_month = date '{month}-01'")


def by_keys(row: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(str(value) for value in row if not isinstance(value, float))


@pytest.fixture
def targets(dbt: None, environment: Path, database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Targets:
    """Postgres, a lake in a folder and a DuckDB file, all empty."""
    monkeypatch.setenv("TLC_LAKE_URL", f"file://{tmp_path}/lake")
    monkeypatch.setenv("TLC_WAREHOUSE_URL", f"duckdb:///{tmp_path}/trips.duckdb")
    return Targets(database, tmp_path / "trips.duckdb")


@pytest.fixture
def publish(site: TripSite, tmp_path: Path) -> Put:
    """Put a made-up month on the site; another seed is another version of it."""

    def put(dataset: str, month: str, rows: int = 2_000, seed: int = 0) -> None:
        path = tmp_path / f"{dataset}-{month}-{seed}.parquet"
        write_parquet(Dataset(dataset), Month.parse(month), path, rows, seed=seed)
        site.put(month_path(Dataset(dataset), Month.parse(month), Source.tlc), path.read_bytes())

    return put


def load(dataset: str, month: str, target: str | None = None, **options: Any) -> None:
    """Load the month into both targets, or into one."""
    wanted = {"postgres": ["postgres"], "bigquery": ["gcs", "bigquery"], None: ["postgres", "gcs", "bigquery"]}[target]
    outcome = load_month(dataset=dataset, month=month, targets=wanted, **options)
    assert not outcome.failed
