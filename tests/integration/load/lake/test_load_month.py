"""A month in the lake: what is there afterwards, again, anew, with two loads at once; in a folder and on the wire."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from deployments.tlc_site.synthetic.months import write_parquet
from flows.load.lake.folder import FolderLake
from flows.tlc.dataset import Dataset
from flows.tlc.errors import CheckFailed, NewerLoad, TargetBusy, TargetUnavailable, TooManyBadRows
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import lake_day_object, lake_object, manifest_object, rejected_object
from flows.tlc.month import Month
from flows.tlc.report import LoadReport
from flows.tlc.schema import schema_of
from tests.integration.load.lake.conftest import GREEN, Loader, assert_tidy, read_table

DAYS = "trips/green/partitioned/pickup_date=2023-12-"
EVERY_DATASET = [
    MonthRequest(Dataset.yellow, Month(2009, 1)),
    MonthRequest(Dataset.yellow, Month(2025, 1)),
    MonthRequest(Dataset.green, Month(2020, 12)),
    MonthRequest(Dataset.fhv, Month(2019, 6)),
    MonthRequest(Dataset.fhvhv, Month(2024, 2)),
]


def rows_of(table: pa.Table) -> Counter:
    """The rows whatever their order; NaN does not occur."""
    return Counter(tuple(row.values()) for row in table.to_pylist())


@pytest.mark.parametrize("request_", EVERY_DATASET, ids=lambda request: f"{request.dataset}-{request.month}")
def test_every_dataset_is_there_in_both_layouts(loader: Loader, tmp_path: Path, request_: MonthRequest) -> None:
    source = tmp_path / "source.parquet"
    write_parquet(request_.dataset, request_.month, source, 4_000)
    report = loader(source, request=request_)

    month, days = loader.table("unpartitioned", request_), loader.table("partitioned", request_)
    schema = schema_of(request_.dataset)
    assert month.num_rows == days.num_rows == report.rows_loaded
    assert rows_of(month) == rows_of(days)
    assert month.schema.names == list(schema.names)
    assert month.schema.types == schema.arrow.types
    pickup = schema.role("pickup").name
    for item in loader.manifest(request_).of_layout("partitioned"):
        day = read_table(loader.lake, item.name)
        dates = set(pc.cast(day[pickup], pa.date32(), safe=False).to_pylist())
        assert [lake_day_object(request_.dataset, request_.month, date) for date in dates] == [item.name]
    assert_tidy(loader.lake, request_)


def test_pickups_outside_the_month_lie_under_the_months_own_name(loader: Loader, tlc: Path) -> None:
    request = MonthRequest(Dataset.green, Month(2020, 12))
    loader(tlc / "cdn/trip-data/green_tripdata_2020-12.parquet", request=request)
    odd = [name for name in loader.names() if "/partitioned/" in name and "pickup_date=2020-12" not in name]
    assert odd
    assert all(name.endswith("/green_tripdata_2020-12.parquet") for name in odd)


@pytest.mark.parametrize("month", ["2020-12", "2023-12"])
def test_counts_and_sums_are_those_of_the_real_file(loader: Loader, tlc: Path, month: str) -> None:
    source = tlc / f"cdn/trip-data/green_tripdata_{month}.parquet"
    request = MonthRequest(Dataset.green, Month.parse(month))
    loader(source, request=request)
    file = pq.read_table(source)
    for layout in ("unpartitioned", "partitioned"):
        table = loader.table(layout, request)
        assert table.num_rows == file.num_rows
        for column in schema_of(Dataset.green).trip_columns:
            found = [name for name in file.column_names if schema_of(Dataset.green).find(name) == column]
            if not found:
                assert table[column.name].null_count == table.num_rows
                continue
            theirs, ours = file[found[0]], table[column.name]
            assert pc.count(ours).as_py() == pc.count(theirs).as_py(), column.name
            if pa.types.is_floating(ours.type) or pa.types.is_integer(ours.type):
                expected = pc.sum(theirs.cast(pa.float64())).as_py() or 0.0  # no value at all: no sum
                assert (pc.sum(ours.cast(pa.float64())).as_py() or 0.0) == pytest.approx(expected, rel=1e-12)
            else:
                assert pc.min_max(ours.cast(pa.string())) == pc.min_max(theirs.cast(ours.type).cast(pa.string()))


def test_the_manifest_says_all_that_a_reader_needs(loader: Loader, days_file) -> None:
    report = loader(days_file(1, 2))
    manifest = loader.manifest()
    assert manifest.report == report
    assert (report.target, report.status, report.source_etag) == ("gcs", "loaded", "v1")
    assert [item.name for item in manifest.objects] == [
        lake_object(GREEN.dataset, GREEN.month),
        f"{DAYS}01/green_tripdata_2023-12.parquet",
        f"{DAYS}02/green_tripdata_2023-12.parquet",
    ]
    assert [item.uri for item in manifest.objects] == [loader.lake.url_of(item.name) for item in manifest.objects]
    assert sum(item.rows for item in manifest.of_layout("partitioned")) == report.rows_loaded
    assert manifest.columns == list(schema_of(Dataset.green).names)
    assert (manifest.content_key, manifest.conform_version) == (GREEN.content_key("v1"), GREEN.conform_version)


def test_files_say_what_they_are(loader: Loader, days_file) -> None:
    loader(days_file(1))
    file = pq.ParquetFile(pa.BufferReader(loader.lake.read(lake_object(GREEN.dataset, GREEN.month))))
    about = {key.decode(): value.decode() for key, value in file.schema_arrow.metadata.items()}
    assert {"dataset": "green", "month": "2023-12", "source_etag": "v1"}.items() <= about.items()
    assert about["created_by"].startswith("nyc-taxi-flows")
    distance = file.schema_arrow.field("trip_distance").metadata
    assert distance[b"unit"] == b"miles"
    column = file.metadata.row_group(0).column(4)
    assert column.compression == "ZSTD"
    assert column.statistics.has_min_max
    assert file.schema_arrow.field("lpep_pickup_datetime").type == pa.timestamp("us")


def test_again_is_unchanged_and_force_is_not(loader: Loader, days_file) -> None:
    first = loader(days_file(1, 2))
    found = loader.find()
    assert (found.status, found.rows_loaded, found.bytes_read) == ("unchanged", first.rows_loaded, 0)
    assert loader.find("v2") is None
    assert loader(days_file(1, 2)).status == "unchanged"
    assert loader(days_file(1, 2), force=True).status == "loaded"
    assert_tidy(loader.lake)


def test_the_same_rows_give_the_same_bytes(loader: Loader, days_file) -> None:
    loader(days_file(1, 2))
    first = [(item.name, item.crc32c) for item in loader.manifest().objects]
    loader(days_file(1, 2), force=True)
    assert [(item.name, item.crc32c) for item in loader.manifest().objects] == first


def test_a_layout_that_is_lacking_is_no_unchanged_and_one_that_is_there_stays(loader: Loader, days_file) -> None:
    loader(days_file(1, 2), layouts={"unpartitioned"})
    assert [item.layout for item in loader.manifest().objects] == ["unpartitioned"]
    assert loader.find(layouts={"unpartitioned"}).status == "unchanged"
    assert loader.find() is None
    assert loader(days_file(1, 2), layouts={"partitioned"}).status == "loaded"
    assert [item.layout for item in loader.manifest().objects] == ["unpartitioned", "partitioned", "partitioned"]
    loader(days_file(2), "v2", layouts={"unpartitioned"})
    assert len(loader.manifest().of_layout("partitioned")) == 1
    assert_tidy(loader.lake)


@pytest.mark.parametrize("then", [(1, 2, 3, 4), (2,), (3, 4)], ids=["more", "fewer", "others"])
def test_a_republished_month_has_its_days_and_no_others(loader: Loader, days_file, then: tuple[int, ...]) -> None:
    loader(days_file(1, 2, 3))
    report = loader(days_file(*then), "v2")
    days = [name for name in loader.names() if name.startswith(DAYS)]
    assert days == [f"{DAYS}{day:02}/green_tripdata_2023-12.parquet" for day in then]
    assert loader.table().num_rows == loader.table("partitioned").num_rows == report.rows_loaded
    assert_tidy(loader.lake)


def test_rejected_rows_lie_beside_and_go_with_their_version(loader: Loader, days_file) -> None:
    dropping = MonthRequest(GREEN.dataset, GREEN.month, drop_rules=frozenset({"distance_over_500_miles"}))
    odd = pq.read_table(days_file(1))
    distances = [900.0, 700.0, *odd["trip_distance"].to_pylist()[2:]]
    place = odd.column_names.index("trip_distance")
    path = days_file(1).with_name("odd.parquet")
    pq.write_table(odd.set_column(place, odd.schema.field(place), [pa.array(distances)]), path)

    report = loader(path, request=dropping)
    assert report.rejected_by_rule == {"distance_over_500_miles": 2}
    rejected = loader.manifest().rejected
    assert (rejected.name, rejected.rows) == (rejected_object(GREEN.dataset, GREEN.month), 2)
    assert read_table(loader.lake, rejected.name)["rule"].to_pylist() == ["distance_over_500_miles"] * 2
    assert_tidy(loader.lake)

    loader(days_file(1), "v2")
    assert loader.manifest().rejected is None
    assert rejected.name not in loader.names()
    assert_tidy(loader.lake)


def test_months_stay_apart(loader: Loader, tmp_path: Path, days_file) -> None:
    loader(days_file(1, 2))
    other = MonthRequest(Dataset.green, Month(2024, 1))
    write_parquet(other.dataset, other.month, tmp_path / "other.parquet", 500, anomalies=False)
    loader(tmp_path / "other.parquet", request=other)
    before = len(loader.manifest(other).objects)
    loader(days_file(2), "v2")
    assert {manifest_object(r.dataset, r.month) for r in (GREEN, other)} <= set(loader.names())
    assert len([name for name in loader.names() if name.endswith("2024-01.parquet")]) == before


def test_a_failing_file_leaves_the_month_and_no_temporary_file(loader: Loader, days_file, tmp_path: Path) -> None:
    loader(days_file(1, 2))
    broken = pq.read_table(days_file(3))
    place = broken.column_names.index("lpep_pickup_datetime")
    nulls = pa.nulls(broken.num_rows, broken.schema.field(place).type)
    pq.write_table(broken.set_column(place, "lpep_pickup_datetime", nulls), tmp_path / "broken.parquet")
    with pytest.raises(TooManyBadRows):
        loader(tmp_path / "broken.parquet", "v2")
    assert loader.find().status == "unchanged"
    assert list(loader.work_dir.iterdir()) == []
    assert_tidy(loader.lake)


def test_temporary_files_of_a_killed_process_are_removed(loader: Loader, days_file) -> None:
    left = loader.work_dir / "left"
    left.mkdir(parents=True)
    (left / "month.parquet").write_bytes(b"half")
    (loader.work_dir / "left.lock").touch()
    loader(days_file(1))
    assert list(loader.work_dir.iterdir()) == []


def test_a_full_disk_is_said_before_anything_is_encoded(loader: Loader, days_file, monkeypatch) -> None:
    monkeypatch.setattr("flows.load.lake.workspace.shutil.disk_usage", lambda _path: type("Usage", (), {"free": 10}))
    with pytest.raises(TargetUnavailable, match="set TLC_CACHE_DIR to a folder on a larger disk"):
        loader(days_file(1))
    assert loader.names() == []


def test_an_empty_month_is_a_month_only_if_it_is_forced(loader: Loader, days_file) -> None:
    empty = days_file(1).with_name("empty.parquet")
    pq.write_table(pq.read_table(days_file(1)).slice(0, 0), empty)
    with pytest.raises(CheckFailed, match="the file has no rows"):
        loader(empty)
    assert loader.names() == []
    assert loader(days_file(1)).rows_loaded
    names = loader.names()
    with pytest.raises(CheckFailed, match="the file has no rows"):
        loader(empty, "v2")
    assert (loader.names(), loader.find().status) == (names, "unchanged")
    report = loader(empty, "v2", force=True)
    assert report.rows_loaded == 0
    assert loader.find("v2").status == "unchanged"
    assert loader.table().num_rows == 0
    assert_tidy(loader.lake)


def test_two_loads_of_the_same_month_at_once(loader: Loader, days_file) -> None:
    """Of the same content one does it; of different contents the month is one of them, whole."""
    for versions in ({"v1": (1, 2, 3), "w1": (2, 3, 4, 5)}, {"x1": (1, 2), "x2": (4,), "x3": (1, 5)}):
        failures: list[BaseException] = []
        files = {etag: days_file(*days) for etag, days in versions.items()}

        def run(etag: str, file: Path, failures=failures) -> None:
            try:
                loader(file, etag)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=run, args=item) for item in [*files.items(), *files.items()]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        manifest = loader.manifest()
        assert len(manifest.of_layout("partitioned")) == len(versions[manifest.report.source_etag])
        assert_tidy(loader.lake)


def test_a_load_that_took_longer_does_not_put_an_older_version_back(loader: Loader, days_file) -> None:
    """The source publishes the month again: who looked before is done after who looked later."""
    looked, url = datetime(2024, 6, 1, tzinfo=UTC), "http://source/green_tripdata_2023-12.parquet"
    newer: list[LoadReport] = []

    def load_newer(_fraction: float) -> None:
        if not newer:
            later = looked + timedelta(seconds=1)
            newer.append(loader(days_file(1, 2, 3), "v2", source_url=url, started_at=later))

    for force, on_progress in ((False, load_newer), (True, pytest.fail)):  # the second finds it at once, unread
        with pytest.raises(NewerLoad, match=r"one that began later has put in version v2, and that stays\. Run again"):
            loader(days_file(1, 5), "v1", source_url=url, started_at=looked, force=force, on_progress=on_progress)
        assert loader.manifest().report.source_etag == "v2"
        assert len(loader.manifest().of_layout("partitioned")) == 3
        assert_tidy(loader.lake)
    later = looked + timedelta(seconds=2)
    assert loader(days_file(1, 5), "v1", source_url=url, started_at=later).status == "loaded"


def test_a_layout_that_was_written_meanwhile_is_not_taken_away(loader: Loader, days_file) -> None:
    both: list[LoadReport] = []

    def load_both(_fraction: float) -> None:
        if not both:
            both.append(loader(days_file(1, 2)))

    with pytest.raises(TargetBusy, match=r"in the layout partitioned meanwhile.*Run again"):
        loader(days_file(1, 3), "v2", layouts={"unpartitioned"}, on_progress=load_both)
    assert loader.manifest().report.source_etag == "v1"
    assert len(loader.manifest().of_layout("partitioned")) == 2
    assert loader(days_file(1, 3), "v2", layouts={"unpartitioned"}).status == "loaded"
    assert len(loader.manifest().of_layout("partitioned")) == 2
    assert_tidy(loader.lake)


def test_a_folder_lake_is_made_at_the_first_write(tmp_path: Path, days_file) -> None:
    lake = FolderLake(tmp_path / "not" / "there")
    assert (lake.find("a"), lake.list(""), lake.read("a"), lake.read_current("a")) == (None, [], None, None)
    Loader(lake, tmp_path / "work")(days_file(1))
    assert pq.read_table(lake.path_of(lake_object(GREEN.dataset, GREEN.month))).num_rows
    assert lake.url_of("a=1/b") == f"file://{tmp_path}/not/there/a=1/b"


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path, days_file) -> None:
    (tmp_path / "lake").write_text("a file where the folder should be")
    with pytest.raises(TargetUnavailable, match=r"cannot be written.*the month is as it was"):
        Loader(FolderLake(tmp_path / "lake"), tmp_path / "work")(days_file(1))
    assert list((tmp_path / "work").iterdir()) == []
