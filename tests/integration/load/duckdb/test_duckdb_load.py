"""Loads into a DuckDB file: what is on disk after a kill, with two processes, with files that are not right."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from flows.load.duckdb.month import DuckDbWarehouse
from flows.load.lake.manifest import Manifest
from flows.tlc.column_types import COLUMN_TYPES
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetBusy, TargetMismatch
from flows.tlc.schema import schema_of
from tests.integration.load.warehouse.lake_months import made_month
from tests.integration.load.warehouse.rigs import DuckDbRig, duckdb_rig

# Loads the month of a manifest, saying when the rows are in and not yet committed; then waits to be killed.
LOADER = """
import sys, time
from pathlib import Path
from flows.load.duckdb.month import DuckDbWarehouse
from flows.load.lake.manifest import Manifest
from flows.load.warehouse.protocol import WarehouseLoad

def wait():
    print("rows are in", flush=True)
    time.sleep(float(sys.argv[4]))
    return True

manifest = Manifest.model_validate_json(Path(sys.argv[2]).read_text())
load = WarehouseLoad(manifest, sys.argv[3])
print(DuckDbWarehouse(Path(sys.argv[1]), wait=30).load_month(load, is_current=wait).status, flush=True)
"""


@pytest.fixture
def rig(tmp_path: Path) -> DuckDbRig:
    return duckdb_rig(tmp_path)


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_month(tmp_path_factory.mktemp("months"), "green", "2020-10", 300)


@pytest.fixture
def month(rig: DuckDbRig, file: Path) -> Manifest:
    return rig.lake.write("green", "2020-10", file)


def start_loader(rig: DuckDbRig, manifest: Manifest, seconds: float) -> subprocess.Popen[str]:
    """A process that loads and stays so many seconds before its commit; returns when its rows are in."""
    saved = rig.warehouse.path.with_name("manifest.json")
    saved.write_text(manifest.model_dump_json())
    arguments = [str(rig.warehouse.path), str(saved), rig.lake.url, str(seconds)]
    process = subprocess.Popen([sys.executable, "-c", LOADER, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "rows are in\n"
    return process


def test_tables_have_the_declared_types_and_comments(rig: DuckDbRig, month: Manifest) -> None:
    rig.load(month)
    found = rig.query(
        "select column_name, data_type, comment from duckdb_columns() where table_name = 'green_trips' "
        "and database_name = current_database() order by column_index"
    )
    assert found == [(column.name, column.duckdb, column.comment) for column in schema_of(Dataset.green).columns]
    assert {kind.duckdb for kind in COLUMN_TYPES.values()} >= {kind for _, kind, _ in found}
    comments = rig.query("select comment from duckdb_columns() where table_name = 'loads'")
    assert all(comment for (comment,) in comments)


def test_a_killed_load_leaves_the_month_and_the_next_runs(rig: DuckDbRig, month: Manifest, file: Path) -> None:
    rig.load(month)
    newer = rig.lake.write("green", "2020-10", file, etag="v2", rows=100)
    process = start_loader(rig, newer, 60)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert rig.query("select count(*) from {schema}.green_trips") == [(300,)]
    assert [row[:3] for row in rig.ledger()] == [(1, "2020-10", 300)]
    assert rig.load(newer).status == "loaded"
    assert rig.query("select count(*) from {schema}.green_trips") == [(100,)]


def test_a_killed_first_load_leaves_nothing(rig: DuckDbRig, month: Manifest) -> None:
    process = start_loader(rig, month, 60)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert rig.rows_by_month() == {}
    assert rig.load(month).status == "loaded"


def test_two_processes_load_one_after_the_other(rig: DuckDbRig, month: Manifest) -> None:
    process = start_loader(rig, month, 1.0)
    assert rig.load(month).status == "unchanged"
    assert process.communicate()[0] == "loaded\n"
    assert len(rig.ledger()) == 1


def test_who_waits_too_long_says_for_whom(rig: DuckDbRig, month: Manifest) -> None:
    process = start_loader(rig, month, 60)
    with pytest.raises(TargetBusy, match=r"was not to be had for 0 s: another load or query had it.*run again"):
        replace(rig.warehouse, wait=0.2).load_month(rig.load_of(month))
    process.kill()
    process.wait()


def test_another_program_that_has_the_file_open_is_waited_for(rig: DuckDbRig, month: Manifest) -> None:
    rig.load(month)
    opened = f"duckdb.connect({str(rig.warehouse.path)!r})"
    hold = f"import duckdb, time; c = {opened}; print('open', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    other.stdout.readline()
    with pytest.raises(TargetBusy, match="close other programs that have it open"):
        replace(rig.warehouse, wait=0.3).load_month(rig.load_of(month, force=True))
    threading.Timer(0.5, other.kill).start()
    assert rig.load(month, force=True).status == "loaded"
    other.wait()


def test_months_loaded_by_threads_take_turns(rig: DuckDbRig, tmp_path: Path) -> None:
    months = [
        rig.lake.write("green", name, made_month(tmp_path, "green", name, 200)) for name in ("2020-08", "2020-09")
    ]
    months += months
    reports: list[str] = []
    threads = [threading.Thread(target=lambda m=m: reports.append(rig.load(m).status)) for m in months]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reports) == ["loaded", "loaded", "unchanged", "unchanged"]
    assert rig.rows_by_month() == {"2020-08": 200, "2020-09": 200}


def test_reading_makes_no_file(rig: DuckDbRig, month: Manifest) -> None:
    assert (rig.rows_by_month(), rig.warehouse.read_loads(Dataset.green)) == ({}, {})
    assert not rig.warehouse.path.exists()


def test_a_torn_file_is_not_loaded(rig: DuckDbRig, month: Manifest) -> None:
    path = Path(rig.lake.url.removeprefix("file://")) / month.objects[0].name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TargetBusy, match=r"has .* bytes, but the lake's manifest says"):
        rig.load(month)
    path.unlink()
    with pytest.raises(TargetBusy, match="is not there"):
        rig.load(month)
    assert rig.rows_by_month() == {}


def test_a_null_in_a_required_column_fails(rig: DuckDbRig, file: Path) -> None:
    def without_pickup(trips: pa.Table) -> pa.Table:
        index = trips.schema.get_field_index("lpep_pickup_datetime")
        return trips.set_column(index, "lpep_pickup_datetime", pa.nulls(trips.num_rows, pa.timestamp("us")))

    with pytest.raises(TargetMismatch, match=r"(?i)not null.*lpep_pickup_datetime"):
        rig.load(rig.lake.write("green", "2020-10", file, change=without_pickup))
    assert rig.rows_by_month() == {}


def test_a_column_of_another_type_says_what_to_do(rig: DuckDbRig, month: Manifest) -> None:
    rig.load(month)
    with duckdb.connect(rig.warehouse.path) as connection:
        connection.execute("alter table tlc.green_trips alter vendor_id type varchar")
    with pytest.raises(TargetMismatch, match=r"green_trips.vendor_id is VARCHAR in DuckDB, but SMALLINT is declared"):
        rig.load(month, force=True)


def test_again_loads_nothing(rig: DuckDbRig, month: Manifest) -> None:
    rig.load(month)
    loads = rig.warehouse.read_loads(Dataset.green)
    assert rig.load(month).status == "unchanged"
    assert rig.warehouse.read_loads(Dataset.green) == loads


@dataclass(frozen=True)
class BesiegedWarehouse(DuckDbWarehouse):
    """Whenever it lets go of its file, another load gets in."""

    others: Iterator[Callable[[], object]] = field(default_factory=lambda: iter(()))

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        with super()._reading() as connection:
            yield connection
        if other := next(self.others, None):
            other()


def test_load_that_comes_in_between_does_not_make_a_month_incomplete(rig: DuckDbRig, file: Path) -> None:
    rig.load(rig.lake.write("green", "2020-10", file))
    shorter = rig.lake.write("green", "2020-10", file, etag="v2", rows=200)
    besieged = BesiegedWarehouse(rig.warehouse.path, others=iter([lambda: rig.load(shorter)]))
    for etag in ("v1", "v2"):
        standing = besieged.read_loads(Dataset.green)["2020-10"]
        assert (standing.report.source_etag, standing.is_intact) == (etag, True)
