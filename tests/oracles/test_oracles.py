"""The project's answers are those that others published: ``make oracles``. It downloads 60 months of the mirror.

``TLC_MIRROR_URL`` takes the files from elsewhere.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from flows import backfill, build_models
from tests.oracles.answers import ANSWERS, ROWS, Published

pytestmark = [pytest.mark.oracles, pytest.mark.timeout(4 * 3600)]


@pytest.fixture
def warehouse(prefect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty lake in a folder, and an empty DuckDB file."""
    monkeypatch.setenv("TLC_LAKE_URL", f"file://{tmp_path}/lake")
    monkeypatch.setenv("TLC_WAREHOUSE_URL", f"duckdb:///{tmp_path}/trips.duckdb")
    monkeypatch.setenv("TLC_LOCAL_DIR", str(tmp_path / "local"))
    return tmp_path / "trips.duckdb"


@pytest.mark.parametrize("published", ANSWERS, ids=lambda published: "-".join(published.months[:2]))
def test_answer(published: Published, warehouse: Path) -> None:
    dataset, first, last = published.months
    given = {"dataset": dataset, "start_month": first, "end_month": last, "source": "mirror"}
    backfill(**given, targets=["gcs", "bigquery"], layout="unpartitioned")
    build_models(target="bigquery")
    with duckdb.connect(warehouse) as connection:
        difference = published.difference(connection.execute(published.sql).fetchall())
    assert difference is None, difference


@pytest.mark.parametrize(("dataset", "first", "last", "rows"), ROWS)
def test_rows(dataset: str, first: str, last: str, rows: int, warehouse: Path) -> None:
    given = {"dataset": dataset, "start_month": first, "end_month": last, "source": "mirror"}
    report = backfill(**given, targets=["gcs"], layout="unpartitioned")
    found = sum(load.rows_read for load in report.reports)
    assert found == rows, f"{dataset} {first} to {last}: the course counts {rows:,} rows, and this project {found:,}"
