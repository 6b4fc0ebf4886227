"""What every warehouse does, whichever it is. Run on DuckDB and the BigQuery stand-in here, on a project in the cloud.

Each scenario gets a rig with an empty warehouse, and a folder for files; its docstring is the promise that it checks.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from flows.load.lake.manifest import Manifest
from flows.tlc.dataset import Dataset
from flows.tlc.errors import CheckFailed, TargetMismatch
from flows.tlc.schema import schema_of
from tests.integration.load.warehouse.lake_months import made_month
from tests.integration.load.warehouse.rigs import Rig


class Killed(BaseException):
    """Stands for the end of the process."""


def the_rows_of_all_datasets_in_both_layouts_are_those_of_the_lake(rig: Rig, folder: Path) -> None:
    """Counts, sums, first and last values of every column are the lake's, whichever layout was read."""
    for dataset, month in (("yellow", "2011-03"), ("green", "2020-10"), ("fhv", "2019-02"), ("fhvhv", "2021-05")):
        seen: list[pa.Table] = []

        def keep(trips: pa.Table, seen: list[pa.Table] = seen) -> pa.Table:
            seen.append(trips)
            return trips

        file = made_month(folder, dataset, month)
        for layout, etag in (("unpartitioned", "v1"), ("partitioned", "v2")):
            manifest = rig.lake.write(dataset, month, file, layouts=[layout], etag=etag, change=keep)  # type: ignore[list-item]
            report = rig.load(manifest)
            assert (report.status, report.target, report.bytes_read) == ("loaded", "bigquery", 0)
            assert report.rows_read == report.rows_loaded + report.rows_rejected == manifest.report.rows_read
            assert_same(rig, dataset, seen[-1])


def a_second_load_of_the_same_changes_nothing(rig: Rig, folder: Path) -> None:
    """Again is a no-op: ``unchanged``, with the counts of the load that stands and no new row in the ledger."""
    manifest = rig.lake.write("green", "2020-10", made_month(folder, "green", "2020-10"))
    first = rig.load(manifest)
    again = rig.load(manifest)
    assert (again.status, again.rows_loaded, again.flagged_by_rule) == ("unchanged", 500, first.flagged_by_rule)
    assert [row[:3] for row in rig.ledger()] == [(1, "2020-10", 500)]
    assert rig.query("select count(*) from {schema}.green_trips") == [(500,)]


def force_loads_again(rig: Rig, folder: Path) -> None:
    """``force`` loads the same content once more, and the ledger has both."""
    manifest = rig.lake.write("green", "2020-10", made_month(folder, "green", "2020-10"))
    rig.load(manifest)
    assert rig.load(manifest, force=True).status == "loaded"
    assert [row[:3] for row in rig.ledger()] == [(1, "2020-10", 500), (2, "2020-10", 500)]
    assert rig.query("select count(*) from {schema}.green_trips") == [(500,)]


def a_republished_month_replaces_only_itself(rig: Rig, folder: Path) -> None:
    """A month that comes again with fewer rows has exactly these; the other month is as it was."""
    file = made_month(folder, "green", "2020-10")
    rig.load(rig.lake.write("green", "2020-09", made_month(folder, "green", "2020-09", 300)))
    rig.load(rig.lake.write("green", "2020-10", file))
    report = rig.load(rig.lake.write("green", "2020-10", file, etag="v2", rows=200))
    assert (report.status, report.rows_loaded) == ("loaded", 200)
    assert rig.rows_by_month() == {"2020-09": 300, "2020-10": 200}
    last = rig.warehouse.read_loads(Dataset.green)
    assert {month: load.report.source_etag for month, load in last.items()} == {"2020-09": "v1", "2020-10": "v2"}


def going_back_to_earlier_content_loads_it(rig: Rig, folder: Path) -> None:
    """A, then B, then A again: the table has A, not what an old job once did."""
    file = made_month(folder, "green", "2020-10")
    first = rig.lake.write("green", "2020-10", file, rows=400)
    rig.load(first)
    rig.load(rig.lake.write("green", "2020-10", file, etag="v2", rows=100))
    back = rig.lake.write("green", "2020-10", file, rows=400)
    assert rig.load(back).status == "loaded"
    assert rig.query("select count(*) from {schema}.green_trips") == [(400,)]
    assert rig.load(back).status == "unchanged"


def a_load_killed_before_the_ledger_is_finished_by_the_next(rig: Rig, folder: Path) -> None:
    """After a kill between rows and ledger, the next run makes both true, once."""
    manifest = rig.lake.write("green", "2020-10", made_month(folder, "green", "2020-10"))
    kill_before_ledger(rig, manifest)
    assert rig.load(manifest).status == "loaded"
    assert rig.load(manifest).status == "unchanged"
    assert [row[:3] for row in rig.ledger()] == [(1, "2020-10", 500)]
    assert rig.query("select count(*) from {schema}.green_trips") == [(500,)]


def a_killed_load_is_never_taken_for_the_one_before(rig: Rig, folder: Path) -> None:
    """A stands in the ledger, B was killed before its ledger row: asked for A, the table has A afterwards."""
    file = made_month(folder, "green", "2020-10")
    kept = rig.lake.write("green", "2020-10", file)
    rig.load(kept)
    ((total,),) = rig.query("select sum(total_amount) from {schema}.green_trips")
    other = rig.lake.write("green", "2020-10", file, etag="v2", change=doubled_totals)
    kill_before_ledger(rig, other)
    kept = rig.lake.write("green", "2020-10", file)
    rig.load(kept)
    assert rig.query("select sum(total_amount) from {schema}.green_trips")[0][0] == pytest.approx(total)
    assert rig.warehouse.read_loads(Dataset.green)["2020-10"].report.source_etag == "v1"
    assert rig.load(kept).status == "unchanged"


def a_month_that_someone_deleted_is_loaded_again(rig: Rig, folder: Path) -> None:
    """``unchanged`` is said of rows that are there, not of a line in the ledger."""
    manifest = rig.lake.write("green", "2020-10", made_month(folder, "green", "2020-10"))
    rig.load(manifest)
    rig.empty_month("green", "2020-10")
    assert rig.load(manifest).status == "loaded"
    assert rig.rows_by_month() == {"2020-10": 500}


def a_new_column_is_added_and_older_months_have_none(rig: Rig, folder: Path) -> None:
    """A column that came later widens the table; months without it go on loading."""
    drifted = folder / "drifted.parquet"
    raw = pq.read_table(made_month(folder, "green", "2020-10"))
    pq.write_table(raw.append_column("Surprise", pa.array(["x"] * raw.num_rows)), drifted)
    early = rig.lake.write("green", "2020-09", made_month(folder, "green", "2020-09"))
    rig.load(early)
    rig.load(rig.lake.write("green", "2020-10", drifted, new_columns="keep"))
    sql = "select count(surprise) from {schema}.green_trips where source_month = date '2020-%s-01'"
    assert [rig.query(sql % month)[0][0] for month in ("09", "10")] == [0, 500]
    rig.load(early, force=True)
    assert [rig.query(sql % month)[0][0] for month in ("09", "10")] == [0, 500]


def a_lake_rewritten_meanwhile_is_not_entered(rig: Rig, folder: Path) -> None:
    """Where the lake's month changed while it was read, the ledger says nothing, and the next run loads."""
    file = made_month(folder, "green", "2020-10")
    manifest = rig.lake.write("green", "2020-10", file)
    with pytest.raises(Exception, match=r"written anew while .* read it") as caught:
        rig.warehouse.load_month(rig.load_of(manifest), is_current=lambda: False)
    assert type(caught.value).__name__ == "TargetBusy"
    newer = rig.lake.write("green", "2020-10", file, etag="v2", rows=100)
    rig.load(newer)
    assert [row[2] for row in rig.ledger()] == [100]


def a_lake_rewritten_with_other_rows_meanwhile_asks_for_another_run(rig: Rig, folder: Path) -> None:
    """Rows that do not agree with the manifest because it is an old one are no contradiction: run again."""
    file = made_month(folder, "green", "2020-10")
    outdated = rig.lake.write("green", "2020-10", file)
    newer = rig.lake.write("green", "2020-10", file, etag="v2", rows=100)
    # Its load found the old manifest and reads the new object.
    seen = outdated.model_copy(update={"objects": [newer.objects[0].model_copy(update={"rows": 500})]})
    with pytest.raises(Exception, match=r"written anew while .* read it") as caught:
        rig.warehouse.load_month(rig.load_of(seen), is_current=lambda: False)
    assert type(caught.value).__name__ == "TargetBusy"
    assert rig.load(newer).rows_loaded == 100
    assert [row[2] for row in rig.ledger()] == [100]


def a_month_without_a_row_replaces_none_unless_it_is_forced(rig: Rig, folder: Path) -> None:
    """The lake's month of 0 rows leaves the warehouse's as it is; ``force`` puts it in."""
    file = made_month(folder, "green", "2020-10")
    rig.load(rig.lake.write("green", "2020-10", file))
    empty = rig.lake.write("green", "2020-10", file, etag="v2", rows=0)
    with pytest.raises(CheckFailed, match="without a row"):
        rig.load(empty)
    assert rig.query("select count(*) from {schema}.green_trips") == [(500,)]
    assert rig.load(empty, force=True).rows_loaded == 0
    assert rig.query("select count(*) from {schema}.green_trips") == [(0,)]
    assert [row[2] for row in rig.ledger()] == [500, 0]


def the_ledger_says_how_the_lake_was_loaded_and_an_older_one_is_widened(rig: Rig, folder: Path) -> None:
    """Source, rules and columns of the load stand in the ledger; loads before it had these columns say nothing."""
    file = made_month(folder, "green", "2020-10")
    rig.older_ledger("2020-09")
    (old,) = rig.warehouse.read_loads(Dataset.green).values()
    said = {"source", "drop_rules", "new_columns"}
    assert old.report.model_dump(include=said) == dict.fromkeys(said)
    assert old.report.rejected_by_rule == {"zero_distance": 3}
    rig.load(rig.lake.write("green", "2020-10", file, drop_rules=["zero_distance"]))
    report = rig.warehouse.read_loads(Dataset.green)["2020-10"].report
    assert (report.source, report.drop_rules, report.new_columns) == ("tlc", ["zero_distance"], "fail")
    assert rig.warehouse.read_loads(Dataset.green)["2020-09"] == old


def columns_of_another_type_fail_and_leave_the_month(rig: Rig, folder: Path) -> None:
    """An object whose column has another type than is declared fails the load and names the column."""
    file = made_month(folder, "green", "2020-10")
    rig.load(rig.lake.write("green", "2020-10", file))
    wrong = rig.lake.write("green", "2020-10", file, etag="v2", change=float_passengers)
    with pytest.raises(TargetMismatch, match="'passenger_count'") as caught:
        rig.load(wrong)
    assert "flows/tlc/schemas/green.toml" in str(caught.value)
    assert rig.rows_by_month() == {"2020-10": 500}
    assert len(rig.ledger()) == 1


def a_manifest_with_other_counts_fails(rig: Rig, folder: Path) -> None:
    """Rows that the objects do not have are missed: nothing is entered in the ledger."""
    manifest = rig.lake.write("green", "2020-10", made_month(folder, "green", "2020-10"))
    report = manifest.report.model_copy(update={"rows_read": 501, "rows_loaded": 501})
    with pytest.raises(TargetMismatch, match=r"contradicts itself: 1 objects with 500 rows, but 501 were loaded"):
        rig.load(manifest.model_copy(update={"report": report}))
    objects = [manifest.objects[0].model_copy(update={"rows": 501})]
    with pytest.raises(TargetMismatch, match=r"500 rows.*but the lake's manifest has 501"):
        rig.load(manifest.model_copy(update={"report": report, "objects": objects}))
    assert rig.load(manifest).status == "loaded"
    assert [row[2] for row in rig.ledger()] == [500]


def the_lake_is_queried_without_a_load(rig: Rig, folder: Path) -> None:
    """The table over the lake has every row of the day folders with its pickup date, and made again, new columns."""
    with pytest.raises(TargetMismatch, match=r"no green trips by day that can be read .* layout='partitioned'"):
        rig.warehouse.create_lake_table(Dataset.green, rig.lake.url)
    rig.lake.write("green", "2020-10", made_month(folder, "green", "2020-10"), layouts=["partitioned"])
    rig.lake.write("green", "2020-11", made_month(folder, "green", "2020-11", 300), layouts=["partitioned"])
    for _ in range(2):
        assert rig.warehouse.create_lake_table(Dataset.green, rig.lake.url).endswith(".green_trips_lake")
    sql = "select count(*), count(distinct source_month), count(vendor_id) > 0 from {schema}.green_trips_lake"
    assert rig.query(sql) == [(800, 2, True)]
    by_day = "select count(*) from {schema}.green_trips_lake where pickup_date = date '2020-10-05'"
    by_time = (
        "select count(*) from {schema}.green_trips_lake where cast(lpep_pickup_datetime as date) = date '2020-10-05'"
    )
    assert rig.query(by_day) == rig.query(by_time) != [(0,)]


SCENARIOS = [
    the_lake_is_queried_without_a_load,
    the_rows_of_all_datasets_in_both_layouts_are_those_of_the_lake,
    a_second_load_of_the_same_changes_nothing,
    force_loads_again,
    a_republished_month_replaces_only_itself,
    going_back_to_earlier_content_loads_it,
    a_load_killed_before_the_ledger_is_finished_by_the_next,
    a_killed_load_is_never_taken_for_the_one_before,
    a_month_that_someone_deleted_is_loaded_again,
    a_new_column_is_added_and_older_months_have_none,
    a_lake_rewritten_meanwhile_is_not_entered,
    a_lake_rewritten_with_other_rows_meanwhile_asks_for_another_run,
    a_month_without_a_row_replaces_none_unless_it_is_forced,
    the_ledger_says_how_the_lake_was_loaded_and_an_older_one_is_widened,
    columns_of_another_type_fail_and_leave_the_month,
    a_manifest_with_other_counts_fails,
]


def kill_before_ledger(rig: Rig, manifest: Manifest) -> None:
    def die() -> bool:
        raise Killed

    with pytest.raises(Killed):
        rig.warehouse.load_month(rig.load_of(manifest), is_current=die)


def doubled_totals(trips: pa.Table) -> pa.Table:
    index = trips.schema.get_field_index("total_amount")
    return trips.set_column(index, trips.schema.field(index), pc.multiply(trips["total_amount"], 2.0))


def float_passengers(trips: pa.Table) -> pa.Table:
    index = trips.schema.get_field_index("passenger_count")
    return trips.set_column(index, "passenger_count", trips["passenger_count"].cast(pa.float64()))


def assert_same(rig: Rig, dataset: str, trips: pa.Table) -> None:
    """Compare every column of the table, which has this one month, with the lake's: values there, their sum or span."""
    selected: list[str] = []
    expected: list[object] = []
    for column in schema_of(Dataset(dataset)).columns:
        values = trips[column.name]
        is_number = column.type in ("int16", "int32", "float64")
        name = f"`{column.name}`" if type(rig).__name__ == "BigQueryRig" else f'"{column.name}"'
        selected += [f"count({name})", *([f"sum({name})"] if is_number else [f"min({name})", f"max({name})"])]
        span = pc.min_max(values).as_py() if not is_number else {}
        sums = [pytest.approx(pc.sum(values).as_py())] if is_number else [span["min"], span["max"]]
        expected += [len(values) - values.null_count, *sums]
    (found,) = rig.query(f"select {', '.join(selected)} from {{schema}}.{dataset}_trips")
    assert dict(zip(selected, found, strict=True)) == dict(zip(selected, expected, strict=True))
