"""Queries of a DuckDB file, and of the lake through DuckDB: what they may read, and that they can do nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from flows.load.duckdb.lake_query import query_lake
from flows.load.duckdb.month import DuckDbWarehouse
from flows.load.lake.codes import replace_codes
from flows.load.lake.folder import FolderLake
from flows.load.lake.gcs import GcsLake
from flows.load.lake.protocol import Lake
from flows.load.query import QueryLimits
from flows.tlc.codes import schema_codes
from flows.tlc.dataset import Dataset
from flows.tlc.errors import ParameterError, TargetBusy, TargetError, TargetMismatch
from flows.tlc.locations import manifest_object
from flows.tlc.month import Month
from tests.integration.load.warehouse.lake_months import WrittenLake, made_month
from tests.integration.load.warehouse.rigs import DuckDbRig, duckdb_rig
from tests.servers.gcs_wire import GcsWire

TRIPS = "select count(*) as trips, count(distinct source_month) as months from tlc.green_trips"


@pytest.fixture
def rig(tmp_path: Path) -> DuckDbRig:
    rig = duckdb_rig(tmp_path)
    rig.load(rig.lake.write("green", "2020-10", made_month(tmp_path, "green", "2020-10", 300)))
    return rig


def ask(rig: DuckDbRig, sql: str, folder: Path | None = None) -> pa.Table:
    with rig.warehouse.query(sql, QueryLimits(lake_folder=folder)) as rows:
        return rows.read_all()


def test_warehouse_answers(rig: DuckDbRig) -> None:
    assert ask(rig, f"{TRIPS};").to_pylist() == [{"trips": 300, "months": 1}]
    assert rig.warehouse.address(Dataset.green) == "tlc.green_trips"
    rig.load(rig.lake.write("green", "2020-11", made_month(rig.warehouse.path.parent, "green", "2020-11", 200)))
    assert ask(rig, TRIPS).to_pylist() == [{"trips": 500, "months": 2}]


REFUSED = [
    "insert into tlc.green_trips select * from tlc.green_trips",
    "with picked as (select * from tlc.green_trips) insert into tlc.green_trips select * from picked",
    "drop table tlc.green_trips",
    "copy tlc.green_trips to '{folder}/made.csv'",
    "copy (select 1) to '{folder}/lake/made.csv'",
    "export database '{folder}/lake/made'",
    "attach '{folder}/lake/made.db'",
    "select 1; copy (select 1) to '{folder}/lake/made.csv'",
    "set enable_external_access = true",
    "install httpfs",
    "pragma database_list",
    "call pragma_version()",
    "explain select 1",
]


@pytest.mark.parametrize("sql", REFUSED, ids=range(len(REFUSED)))
def test_nothing_but_a_select_is_run(rig: DuckDbRig, tmp_path: Path, sql: str) -> None:
    with pytest.raises(ParameterError, match="query runs one SELECT, and nothing else"):
        ask(rig, sql.format(folder=tmp_path), tmp_path / "lake")
    assert rig.rows_by_month() == {"2020-10": 300}
    assert list(tmp_path.rglob("made*")) == []


@pytest.mark.parametrize(
    "sql",
    ["select * from read_text('/etc/hostname')", "select * from '{folder}/other.parquet'", "select * from glob('/*')"],
    ids=range(3),
)
def test_other_files_are_not_read(rig: DuckDbRig, tmp_path: Path, sql: str) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(TargetError, match="file system operations are disabled"):
        ask(rig, sql.format(folder=tmp_path), tmp_path / "lake")


def test_variables_of_this_process_are_no_tables(rig: DuckDbRig) -> None:
    secret = pa.table({"a": [1]})
    with pytest.raises(TargetError, match="Table with name secret does not exist"):
        ask(rig, "select * from secret")
    assert secret.num_rows == 1


def test_view_over_the_lake_is_read(rig: DuckDbRig, tmp_path: Path) -> None:
    rig.lake.write("green", "2020-11", made_month(tmp_path, "green", "2020-11", 200), layouts=["partitioned"])
    name = rig.warehouse.create_lake_table(Dataset.green, rig.lake.url)
    assert ask(rig, f"select count(*) as n from {name}", tmp_path / "lake")["n"].to_pylist() == [200]


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    warehouse = DuckDbWarehouse(tmp_path / "none.duckdb")
    with pytest.raises(TargetMismatch, match="load a month"), warehouse.query("select 1", QueryLimits()):
        pass
    assert list(tmp_path.iterdir()) == []


def test_query_waits_for_a_load_and_a_load_for_a_query(rig: DuckDbRig) -> None:
    waiting = DuckDbWarehouse(rig.warehouse.path, wait=0.2)
    with (
        FileLock(f"{rig.warehouse.path}.lock"),
        pytest.raises(TargetBusy),
        waiting.query("select 1", QueryLimits()),
    ):
        pass
    with rig.warehouse.query(TRIPS, QueryLimits()) as rows, pytest.raises(TargetBusy):
        waiting.read_loads(Dataset.green)
    assert rows is not None
    assert waiting.read_loads(Dataset.green)["2020-10"].is_intact


def test_wrong_column_is_named(rig: DuckDbRig) -> None:
    with pytest.raises(TargetError, match='"nope" not found in FROM clause') as failed:
        ask(rig, "select nope from tlc.green_trips")
    assert "\n" not in str(failed.value)
    assert "LINE" not in str(failed.value)


@pytest.fixture(params=["folder", "bucket"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lake]:
    if request.param == "folder":
        yield FolderLake(tmp_path / "a lake's [1]")
        return
    with GcsWire("lake") as server:
        yield GcsLake(server.client().bucket("lake"), "some/where")


def put_month(lake: Lake, dataset: str, month: str, file: Path, **options) -> None:
    """As a load would leave it: the objects, and the manifest that names them."""
    written = WrittenLake(lake.url, lambda name, content: lake.write(name, content, replaces=None).generation)
    manifest = written.write(dataset, month, file, **options)
    name = manifest_object(Dataset(dataset), Month.parse(month))
    lake.write(name, manifest.model_dump_json().encode(), replaces=None)


def ask_lake(lake: Lake, tmp_path: Path, sql: str, **options) -> list[dict]:
    with query_lake(lake, sql, tmp_path / "work", **options) as rows:
        return rows.read_all().to_pylist()


def test_lake_answers_from_the_objects_of_the_manifests_alone(lake: Lake, tmp_path: Path) -> None:
    october, november = (made_month(tmp_path, "green", month, 300) for month in ("2020-10", "2020-11"))
    put_month(lake, "green", "2020-10", october, layouts=["unpartitioned", "partitioned"])
    put_month(lake, "green", "2020-11", november, layouts=["partitioned"])
    lake.write("trips/green/unpartitioned/green_tripdata_2020-12.parquet", october.read_bytes(), replaces=None)
    assert ask_lake(lake, tmp_path, TRIPS) == [{"trips": 600, "months": 2}]
    only = ask_lake(lake, tmp_path, TRIPS, in_range=lambda month: month == Month(2020, 11))
    assert only == [{"trips": 300, "months": 1}]
    sums = "select sum(total_amount) as s from tlc.green_trips where source_month = '2020-11-01'"
    (found,) = ask_lake(lake, tmp_path, sums)
    assert found["s"] == pytest.approx(pq.read_table(november)["total_amount"].to_pandas().sum())
    assert list((tmp_path / "work").iterdir()) == []


def test_columns_that_months_lack_are_null(lake: Lake, tmp_path: Path) -> None:
    put_month(lake, "yellow", "2009-01", made_month(tmp_path, "yellow", "2009-01", 50))

    def without_fee(trips: pa.Table) -> pa.Table:
        return trips.drop_columns(["airport_fee"]).append_column("night_fee", pa.array(["1"] * trips.num_rows))

    put_month(lake, "yellow", "2025-01", made_month(tmp_path, "yellow", "2025-01", 70), change=without_fee)
    sql = "select source_month, count(*) n, count(airport_fee) a, count(night_fee) k, count(pickup_latitude) l"
    rows = ask_lake(lake, tmp_path, f"{sql} from tlc.yellow_trips group by 1 order by 1")
    assert [(row["n"], row["a"], row["k"]) for row in rows] == [(50, 0, 0), (70, 0, 70)]


@pytest.mark.parametrize(
    "sql", ["select 1 as one", "select count(*) from tlc.green_trips as t", 'select count(*) from "tlc"."GREEN_TRIPS"']
)
def test_only_named_datasets_are_looked_up(lake: Lake, tmp_path: Path, sql: str) -> None:
    put_month(lake, "green", "2020-10", made_month(tmp_path, "green", "2020-10", 30))
    lake.write(manifest_object(Dataset.fhv, Month(2020, 1)), b"broken", replaces=None)
    assert next(iter(ask_lake(lake, tmp_path, sql)[0].values())) in (1, 30)


def test_lake_without_the_dataset_says_so(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(TargetMismatch, match="has no month of green trips"):
        ask_lake(lake, tmp_path, TRIPS)
    with pytest.raises(TargetError, match="Table with name nope does not exist"):
        ask_lake(lake, tmp_path, "select * from tlc.nope")


@pytest.mark.parametrize("sql", ["select * from read_text('/etc/hostname')", "select * from glob('/*')"])
def test_query_of_the_lake_reads_nothing_else(lake: Lake, tmp_path: Path, sql: str) -> None:
    with pytest.raises(TargetError, match="file system operations are disabled"):
        ask_lake(lake, tmp_path, sql)
    with pytest.raises(ParameterError, match="nothing else"):
        ask_lake(lake, tmp_path, "copy (select 1) to 'lake://made.parquet'")


def test_month_replaced_meanwhile_is_an_error_and_no_mixture(lake: Lake, tmp_path: Path) -> None:
    put_month(lake, "green", "2020-10", made_month(tmp_path, "green", "2020-10", 300))
    with query_lake(lake, TRIPS, tmp_path / "work") as rows:
        put_month(lake, "green", "2020-10", made_month(tmp_path, "green", "2020-10", 200), etag="v2")
        with pytest.raises(TargetBusy, match=r"green 2020-10 .* was replaced while the query read it"):
            rows.read_all()
    assert ask_lake(lake, tmp_path, TRIPS)[0]["trips"] == 200


def test_object_that_is_gone_is_an_error_with_the_next_step(lake: Lake, tmp_path: Path) -> None:
    put_month(lake, "green", "2020-10", made_month(tmp_path, "green", "2020-10", 300))
    lake.delete(lake.find("trips/green/unpartitioned/green_tripdata_2020-10.parquet"))
    with pytest.raises(TargetError, match=r"green_tripdata_2020-10\.parquet") as failed:
        ask_lake(lake, tmp_path, TRIPS)
    assert "Traceback" not in str(failed.value)


def test_bucket_is_read_by_the_columns_that_a_query_needs(tmp_path: Path) -> None:
    with GcsWire("lake") as server:
        lake = GcsLake(server.client().bucket("lake"))
        put_month(lake, "yellow", "2024-05", made_month(tmp_path, "yellow", "2024-05", 60_000))
        size = lake.find("trips/yellow/unpartitioned/yellow_tripdata_2024-05.parquet").bytes
        fetched, read = [], GcsLake.read

        def counted(self: GcsLake, name: str, **span) -> bytes | None:
            content = read(self, name, **span)
            fetched.append(len(content or b"") if name.endswith(".parquet") else 0)
            return content

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GcsLake, "read", counted)
            sql = "select sum(passenger_count) as s from tlc.yellow_trips"
            assert ask_lake(lake, tmp_path, sql)[0]["s"] > 60_000
            assert 0 < sum(fetched) < size / 4
            del fetched[:]
            assert ask_lake(lake, tmp_path, f"{sql} where source_month > '2030-01-01'")[0]["s"] is None
            assert sum(fetched) < size / 10


def test_names_are_beside_the_trips(lake: Lake, tmp_path: Path) -> None:
    put_month(lake, "green", "2020-10", made_month(tmp_path, "green", "2020-10", 300))
    replace_codes(lake, schema_codes())
    sql = "select p.name, count(*) as trips from tlc.green_trips join tlc.payment_types p on p.code = payment_type"
    assert "Credit card" in {row["name"] for row in ask_lake(lake, tmp_path, f"{sql} group by 1")}
    with pytest.raises(TargetError, match="Table with name zones does not exist"):
        ask_lake(lake, tmp_path, "select * from tlc.zones")


def test_spill_goes_to_the_work_folder(lake: Lake, tmp_path: Path) -> None:
    put_month(lake, "green", "2020-10", made_month(tmp_path, "green", "2020-10", 30))
    (found,) = ask_lake(lake, tmp_path, "select current_setting('temp_directory') as it from tlc.green_trips limit 1")
    assert found["it"].startswith(str(tmp_path / "work" / "query-"))
