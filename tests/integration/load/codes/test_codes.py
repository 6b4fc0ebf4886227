"""The tables of names in every target: whole, up to date, changed only where they differ, whoever else writes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.load.bigquery.month import BigQueryWarehouse
from flows.load.duckdb.month import DuckDbWarehouse
from flows.load.lake import codes as lake_codes
from flows.load.lake.folder import FolderLake
from flows.load.lake.gcs import GcsLake
from flows.load.postgres import codes as postgres_codes
from flows.tlc.codes import CodeRows, code_tables, schema_codes, zone_rows
from flows.tlc.errors import ParameterError, TargetMismatch
from tests.integration.load.codes.conftest import CodesTarget, through_lake
from tests.servers.bigquery import BigQueryStandIn
from tests.servers.gcs import GcsWire

ZONES = [
    (1, "EWR", "Newark Airport", "EWR"),
    (132, "Queens", "JFK Airport", "Airports"),
    (264, "Unknown", "N/A", "N/A"),
]
ALL = [*schema_codes(), zone_rows(ZONES, '"v1"')]


def vendors(version: str, *rows: tuple[Any, ...]) -> CodeRows:
    table = next(table for table in code_tables() if table.name == "vendors")
    return CodeRows(table, rows, version)


def test_every_table_has_its_rows_and_says_what_they_are(target: CodesTarget) -> None:
    target.put(ALL)
    for rows in ALL:
        assert target.rows(rows.name) == list(rows.rows)
        shown = target.comments(rows.name)
        assert shown[-len(rows.table.columns) :] == [column.comment for column in rows.table.columns]
        assert all(text.startswith(rows.table.description) for text in shown[: -len(rows.table.columns)])
    assert dict(target.rows("payment_types"))[1] == "Credit card"
    assert dict(target.rows("hvfhs_licenses"))["HV0003"] == "Uber"


def test_changed_content_replaces_what_was_there(target: CodesTarget) -> None:
    target.put(ALL)
    target.put([vendors("aaaaaaaaaaaa", (2, "Curb"), (9, 'Somebody\'s, "new" {one}')), zone_rows(ZONES[1:], '"v2"')])
    assert target.rows("vendors") == [(2, "Curb"), (9, 'Somebody\'s, "new" {one}')]
    assert target.rows("zones") == ZONES[1:]
    assert target.rows("trip_types") == [(1, "Street-hail"), (2, "Dispatch")]


def test_zones_that_nobody_knows_make_the_table_and_replace_none(target: CodesTarget) -> None:
    target.put([zone_rows()])
    assert target.rows("zones") == []
    target.put([zone_rows(ZONES, '"v1"')])
    target.put([zone_rows()])
    assert target.rows("zones") == ZONES


def test_table_that_somebody_removed_is_made_again(target: CodesTarget) -> None:
    target.put(ALL)
    target.drop("rate_codes")
    target.put(ALL)
    assert dict(target.rows("rate_codes"))[2] == "JFK"


def test_two_at_once_leave_one_whole_content(target: CodesTarget) -> None:
    start = threading.Barrier(4)

    def put(_: int) -> None:
        start.wait()
        target.put(ALL)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(put, range(4)))
    assert {rows.name: target.rows(rows.name) for rows in ALL} == {rows.name: list(rows.rows) for rows in ALL}


def test_postgres_that_is_up_to_date_is_not_written_to(database) -> None:
    with closing(database.connect()) as connection:
        postgres_codes.replace_codes(connection, ALL)
        written = database.query("select xmin from tlc.zones union all select xmin from tlc.vendors")
        postgres_codes.replace_codes(connection, ALL)
    assert database.query("select xmin from tlc.zones union all select xmin from tlc.vendors") == written


def test_zones_of_an_older_version_are_taken_over_with_views_on_them(database) -> None:
    with closing(database.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "create schema tlc; create table tlc.zones (location_id smallint primary key, borough text, zone text, "
            "service_zone text); comment on table tlc.zones is 'The taxi zones, as TLC numbers them.'; "
            "insert into tlc.zones values (1, 'EWR', 'Newark', 'EWR'), (300, 'Nowhere', 'Gone', 'N/A'); "
            "create view named as select zone from tlc.zones"
        )
    with closing(database.connect()) as connection:
        assert postgres_codes.read_versions(connection) == {"zones": ""}
        postgres_codes.replace_codes(connection, ALL)
        assert postgres_codes.read_versions(connection) == {rows.name: rows.version for rows in ALL}
    assert database.query("select zone from named order by 1") == [("JFK Airport",), ("N/A",), ("Newark Airport",)]


def test_readers_in_postgres_see_before_or_after(database) -> None:
    with closing(database.connect()) as connection:
        postgres_codes.replace_codes(connection, ALL)
    with closing(database.connect()) as writer, writer, writer.cursor() as cursor:
        postgres_codes._replace_rows(cursor, zone_rows(ZONES[1:], '"v2"'))  # not committed
        assert database.value("select count(*) from tlc.zones") == 3
    assert database.value("select count(*) from tlc.zones") == 2


def test_lake_that_is_up_to_date_is_not_written_to(tmp_path: Path) -> None:
    lake = FolderLake(tmp_path / "lake")
    lake_codes.replace_codes(lake, ALL)
    written = [lake.path_of(item.name).stat().st_mtime_ns for item in lake.list("")]
    assert len(written) == len(ALL) + 1
    lake_codes.replace_codes(lake, ALL)
    assert [lake.path_of(item.name).stat().st_mtime_ns for item in lake.list("")] == written
    assert lake.list(".tmp/") == []


def test_lake_whose_manifest_was_cut_off_gets_all_anew(tmp_path: Path) -> None:
    lake = FolderLake(tmp_path / "lake")
    lake_codes.replace_codes(lake, ALL)
    lake.path_of("manifests/codes.json").write_text('{"tables"')
    assert lake_codes.read_versions(lake) == {}
    lake_codes.replace_codes(lake, ALL)
    assert lake_codes.read_versions(lake) == {rows.name: rows.version for rows in ALL}


def test_kill_before_the_manifest_leaves_the_lake_to_the_next_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = FolderLake(tmp_path / "lake")
    lake_codes.replace_codes(lake, ALL)
    new = vendors("aaaaaaaaaaaa", (2, "Curb Mobility"))

    def killed(self: FolderLake, name: str, content: bytes, *, replaces: int | None) -> None:
        if name == "manifests/codes.json":
            raise KeyboardInterrupt
        return write(self, name, content, replaces=replaces)

    write = FolderLake.write
    monkeypatch.setattr(FolderLake, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        lake_codes.replace_codes(lake, [new])
    monkeypatch.undo()
    assert lake_codes.read_versions(lake).get("vendors") != new.version
    lake_codes.replace_codes(lake, [new])
    assert lake_codes.read_codes(lake, "vendors").to_pylist() == [{"code": 2, "name": "Curb Mobility"}]
    assert lake_codes.read_versions(lake)["vendors"] == new.version


def test_objects_on_cloud_storage_are_parquet_and_the_manifest_is_last(gcs: GcsWire, gcs_lake: GcsLake) -> None:
    lake_codes.replace_codes(gcs_lake, ALL)
    stored = gcs.client().bucket("lake")
    kinds = {blob.name: blob.content_type for blob in stored.list_blobs(prefix="some/where")}
    assert kinds == {f"some/where/codes/{rows.name}.parquet": "application/vnd.apache.parquet" for rows in ALL} | {
        "some/where/manifests/codes.json": "application/json"
    }
    written = sorted(stored.list_blobs(prefix="some/where"), key=lambda blob: blob.generation)
    assert written[-1].name == "some/where/manifests/codes.json"


class TestBigQuery:
    """What is sent, and what comes of other answers."""

    @pytest.fixture(autouse=True)
    def _lake(self, gcs_lake: GcsLake, bigquery: BigQueryStandIn, bigquery_warehouse: BigQueryWarehouse) -> None:
        self.lake, self.server, self.warehouse = gcs_lake, bigquery, bigquery_warehouse

    def put(self, *wanted: CodeRows) -> None:
        through_lake(self.lake, self.warehouse, wanted)

    def label(self, table: str) -> str:
        return self.server.tables["tlc", table].resource.get("labels", {}).get("version", "")

    def test_a_load_job_says_all_that_it_has_to(self) -> None:
        self.put(zone_rows(ZONES, '"v1"'))
        (sent,) = [call.json for call in self.server.calls("jobs.insert")]
        reference, load = sent["jobReference"], sent["configuration"]["load"]
        assert reference["jobId"].startswith("tlc-codes-tlc-zones-")
        assert (reference["projectId"], reference["location"]) == ("test-project", "EU")
        fields = load.pop("schema")["fields"]
        assert load == {
            "sourceUris": ["gs://lake/some/where/codes/zones.parquet"],
            "destinationTable": {"projectId": "test-project", "datasetId": "tlc", "tableId": "zones"},
            "sourceFormat": "PARQUET",
            "writeDisposition": "WRITE_TRUNCATE",
            "createDisposition": "CREATE_NEVER",
        }
        assert [(field["name"], field["type"], field["mode"]) for field in fields] == [
            ("location_id", "INTEGER", "REQUIRED"),
            ("borough", "STRING", "NULLABLE"),
            ("zone", "STRING", "NULLABLE"),
            ("service_zone", "STRING", "NULLABLE"),
        ]
        version = zone_rows(ZONES, '"v1"').version
        assert sent["configuration"]["labels"] == {"purpose": "tlc-codes", "version": version}
        (patched,) = [call for call in self.server.calls("tables.patch") if "labels" in call.json]
        assert patched.json["labels"] == {"version": version}
        assert "if-match" in patched.headers

    def test_up_to_date_tables_cost_one_look(self) -> None:
        self.put(*ALL)
        before = len(self.server.requests)
        self.warehouse.load_codes(self.lake)
        assert [call.operation for call in self.server.requests[before:]] == ["datasets.get", "tables.list"]

    def test_labels_of_others_stay(self) -> None:
        self.put(*ALL)
        table = self.warehouse.client.get_table("test-project.tlc.vendors")
        table.labels = {**table.labels, "team": "taxi"}
        self.warehouse.client.update_table(table, ["labels"])
        self.put(vendors("aaaaaaaaaaaa", (2, "Curb")))
        assert self.server.tables["tlc", "vendors"].resource["labels"] == {"team": "taxi", "version": "aaaaaaaaaaaa"}

    def test_answer_that_was_lost_is_no_second_job(self) -> None:
        lake_codes.replace_codes(self.lake, ALL[:1])
        self.server.drop_connection("jobs.insert")
        self.warehouse.load_codes(self.lake)
        assert len(self.server.jobs) == 1
        assert self.server.rows("tlc.payment_types").num_rows == 7

    def test_table_that_changes_after_the_job_is_not_labelled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lake_codes.replace_codes(self.lake, ALL[:1])
        client, update = self.warehouse.client, self.warehouse.client.update_table

        def others_first(table: Any, fields: list[str], **options: Any) -> Any:
            self.server.tables["tlc", "payment_types"].changed()
            return update(table, fields, **options)

        monkeypatch.setattr(client, "update_table", others_first)
        self.warehouse.load_codes(self.lake)
        assert self.label("payment_types") == ""
        monkeypatch.undo()
        self.warehouse.load_codes(self.lake)
        assert self.label("payment_types") == ALL[0].version

    def test_job_that_fails_leaves_the_table_and_its_label(self) -> None:
        self.put(*ALL)
        new = vendors("aaaaaaaaaaaa", (2, "Curb"))
        lake_codes.replace_codes(self.lake, [new])
        found = self.lake.find("codes/vendors.parquet")
        assert found is not None
        self.lake.write(found.name, b"x" * found.bytes, replaces=found.generation)
        with pytest.raises(TargetMismatch, match=r"into .*vendors failed, and the table is as it was: .*Parquet"):
            self.warehouse.load_codes(self.lake)
        assert self.server.rows("tlc.vendors").num_rows == 5
        assert self.label("vendors") == ALL[1].version

    def test_lake_in_a_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="BigQuery reads from Cloud Storage alone"):
            self.warehouse.load_codes(FolderLake(tmp_path))
        assert self.server.requests == []


def test_duckdb_that_is_up_to_date_is_not_written_to(tmp_path: Path) -> None:
    lake, warehouse = FolderLake(tmp_path / "lake"), DuckDbWarehouse(tmp_path / "warehouse.duckdb")
    through_lake(lake, warehouse, ALL)
    before = warehouse.path.read_bytes()
    warehouse.load_codes(lake)
    assert warehouse.path.read_bytes() == before


def test_warehouse_leaves_what_the_lake_does_not_have(tmp_path: Path) -> None:
    lake, warehouse = FolderLake(tmp_path / "lake"), DuckDbWarehouse(tmp_path / "warehouse.duckdb")
    warehouse.load_codes(lake)
    through_lake(lake, warehouse, [replace(ALL[0])])
    warehouse.load_codes(FolderLake(tmp_path / "another"))
    with warehouse._connection() as connection:
        tables = connection.execute("select table_name, estimated_size from duckdb_tables()").fetchall()
    assert tables == [("payment_types", 7)]
