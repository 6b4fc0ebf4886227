"""The months that the stand-in for the TLC site makes up look like TLC's own, anomalies and drift included."""

import csv
import gzip
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deployments.tlc_site.synthetic.anomaly_rates import RARE, anomaly_counts, anomaly_rates
from deployments.tlc_site.synthetic.file_formats import csv_columns, field_of, raw_schema
from deployments.tlc_site.synthetic.months import (
    ROW_GROUP_ROWS,
    default_rows,
    generate,
    make_month,
    published,
    taxi_zone_lookup,
    write_csv_gz,
    write_parquet,
)
from flows.tlc.dataset import Dataset, Source, dataset_info
from flows.tlc.errors import ParameterError
from flows.tlc.month import Month, months_between

LAST_MONTH = Month(2026, 6)
# One month of each era of each dataset.
ERAS = [
    *(
        (Dataset.yellow, month)
        for month in ("2009-01", "2010-02", "2012-05", "2019-01", "2020-12", "2023-05", "2026-06")
    ),
    *((Dataset.green, month) for month in ("2014-01", "2019-09", "2020-12", "2023-12", "2025-01", "2026-06")),
    *((Dataset.fhv, month) for month in ("2015-01", "2018-01", "2019-05", "2020-07", "2023-02")),
    *((Dataset.fhvhv, month) for month in ("2019-02", "2020-04", "2021-06", "2025-01")),
]


def trips_of(dataset: Dataset, month: str, rows: int | None = None, **options: object) -> pd.DataFrame:
    """The month's rows, each column under the name that it has in every era, times as times."""
    frame = make_month(dataset, Month.parse(month), rows, **options).to_pandas()
    frame.columns = [field_of(name) for name in frame.columns]
    for name in ("pickup_datetime", "dropoff_datetime"):
        frame[name] = frame[name].astype("datetime64[us]")
    return frame


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


WRITE_BOTH = """
import sys
from pathlib import Path
from deployments.tlc_site.synthetic.months import write_csv_gz, write_parquet
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month
for dataset in Dataset:
    write_parquet(dataset, Month(2020, 12), Path(sys.argv[1]) / f"{dataset}.parquet", 3000)
    write_csv_gz(dataset, Month(2020, 12), Path(sys.argv[1]) / f"{dataset}.csv.gz", 3000)
"""


class TestSameAgain:
    def test_two_calls_and_another_process_write_the_same_bytes(self, tmp_path: Path) -> None:
        here, there = tmp_path / "here", tmp_path / "there"
        here.mkdir()
        there.mkdir()
        subprocess.run([sys.executable, "-c", WRITE_BOTH, there], check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
        for dataset in Dataset:
            for write, name in ((write_parquet, f"{dataset}.parquet"), (write_csv_gz, f"{dataset}.csv.gz")):
                write(dataset, Month(2020, 12), here / "first", 3000)
                write(dataset, Month(2020, 12), here / "second", 3000)
                assert hash_of(here / "first") == hash_of(here / "second") == hash_of(there / name)

    def test_another_seed_makes_other_trips(self) -> None:
        month = Month(2023, 12)
        assert make_month(Dataset.green, month, 100) != make_month(Dataset.green, month, 100, seed=1)

    @pytest.mark.parametrize("rows", [0, 1, 10, 999, 1000, 5001])
    @pytest.mark.parametrize("dataset", Dataset)
    def test_a_month_has_as_many_rows_as_asked_for(self, dataset: Dataset, rows: int) -> None:
        for month in (dataset_info(dataset).first_month, Month(2020, 12), LAST_MONTH):
            assert make_month(dataset, month, rows).num_rows == rows
            assert make_month(dataset, month, rows, anomalies=False).num_rows == rows

    def test_by_default_a_month_is_of_the_size_of_a_demo_and_the_pandemic_shows(self) -> None:
        for dataset, usual in (("yellow", 200_000), ("green", 40_000), ("fhv", 60_000), ("fhvhv", 150_000)):
            assert usual * 0.8 < default_rows(Dataset(dataset), Month(2024, 5)) < usual * 1.2
            assert default_rows(Dataset(dataset), Month(2020, 4)) < usual * 0.2

    def test_a_month_before_the_first_one_is_refused(self) -> None:
        with pytest.raises(ParameterError, match="from 2019-02 on"):
            make_month(Dataset.fhvhv, Month(2019, 1), 10)


class TestEras:
    def test_the_column_names_are_those_of_every_file_in_the_catalogue(self, tlc: Path) -> None:
        with (tlc / "catalogue.csv").open(newline="") as file:
            for entry in csv.DictReader(file):
                dataset, month = Dataset(entry["dataset"]), Month.parse(entry["month"])
                assert raw_schema(dataset, month).names == entry["columns"].split(), f"{dataset} {month}"

    @pytest.mark.parametrize("dataset", Dataset)
    def test_every_published_month_can_be_made_in_its_own_columns_and_types(self, dataset: Dataset) -> None:
        for month in months_between(dataset_info(dataset).first_month, LAST_MONTH):
            assert make_month(dataset, month, 20).schema == raw_schema(dataset, month)

    @pytest.mark.parametrize("month", ["2020-12", "2023-12"])
    def test_green_has_the_types_of_the_real_file(self, tlc: Path, month: str) -> None:
        real = pq.read_schema(tlc / "cdn" / "trip-data" / f"green_tripdata_{month}.parquet")
        assert raw_schema(Dataset.green, Month.parse(month)) == real.remove_metadata()

    @pytest.mark.parametrize(
        ("dataset", "column", "types"),
        [
            ("yellow", "VendorID", {"2023-01": pa.int64(), "2023-02": pa.int32()}),
            ("yellow", "passenger_count", {"2018-12": pa.int64(), "2019-01": pa.float64(), "2023-02": pa.int64()}),
            ("yellow", "congestion_surcharge", {"2018-12": pa.null(), "2019-01": pa.float64()}),
            ("yellow", "airport_fee", {"2020-07": pa.null(), "2020-08": pa.float64(), "2020-10": pa.null()}),
            ("yellow", "cbd_congestion_fee", {"2024-12": None, "2025-01": pa.float64()}),
            ("yellow", "request_source", {"2026-05": None, "2026-06": pa.large_string()}),
            ("green", "RatecodeID", {"2020-12": pa.float64(), "2023-02": pa.int64()}),
            ("green", "ehail_fee", {"2019-08": pa.float64(), "2020-12": pa.null(), "2023-02": pa.float64()}),
            ("green", "store_and_fwd_flag", {"2023-01": pa.string(), "2023-02": pa.large_string()}),
            ("fhv", "PUlocationID", {"2019-04": pa.float64(), "2019-05": pa.int64(), "2019-07": pa.float64()}),
            ("fhv", "SR_Flag", {"2019-02": pa.float64(), "2019-03": pa.null(), "2023-02": pa.int64()}),
            ("fhvhv", "wav_match_flag", {"2019-03": pa.null(), "2019-04": pa.string()}),
            ("fhvhv", "cbd_congestion_fee", {"2024-12": None, "2025-01": pa.float64()}),
        ],
    )
    def test_a_columns_type_drifts(self, dataset: str, column: str, types: dict[str, pa.DataType | None]) -> None:
        for month, kind in types.items():
            schema = raw_schema(Dataset(dataset), Month.parse(month))
            assert (schema.field(column).type if column in schema.names else None) == kind, month

    def test_before_2011_yellow_has_words_for_codes_and_text_for_times(self) -> None:
        words = {
            "2009-05": {"CASH", "Cash", "Credit", "CREDIT", "No Charge", "Dispute"},
            "2010-05": {"CAS", "Cas", "CRE", "Cre", "NOC", "No ", "DIS", "Dis"},
        }
        for month, payments in words.items():
            raw = make_month(Dataset.yellow, Month.parse(month), 20_000)
            names = {field_of(name): name for name in raw.column_names}
            assert set(raw[names["payment_type"]].to_pylist()) == payments
            assert set(raw[names["vendorid"]].to_pylist()) == {"CMT", "VTS", "DDS"}
            times = [time for time in raw[names["pickup_datetime"]].to_pylist() if time]
            assert sum(time.startswith(f"{month}-") and len(time) == 19 for time in times) > 19_900


def anomalies_in(dataset: Dataset, month: str, trips: pd.DataFrame) -> dict[str, int]:
    """How many rows of each kind of anomaly a month has, counted from its values."""
    start, end = (pd.Timestamp(Month.parse(month).plus(n).start) for n in (0, 1))
    pickup, duration = trips.pickup_datetime, (trips.dropoff_datetime - trips.pickup_datetime).dt.total_seconds()
    found = {
        "twin": trips.duplicated().sum(),
        "no_pickup_time": pickup.isna().sum(),
        "pickup_years_before": (pickup < start - pd.Timedelta(days=300)).sum() if month != "2009-01" else None,
        "pickup_in_previous_month": pickup.between(start - pd.Timedelta(days=1), start, inclusive="left").sum(),
        "pickup_in_next_month": pickup.between(end, end + pd.Timedelta(days=1), inclusive="left").sum(),
        "pickup_in_2098": (pickup.dt.year == 2098).sum(),
        "dropoff_before_pickup": (duration < 0).sum(),
        "dropoff_in_3019": (trips.dropoff_datetime.dt.year == 3019).sum(),
        "unknown_pickup_zone": (~trips.pulocationid.dropna().between(1, 265)).sum(),
        "unknown_dropoff_zone": (~trips.dolocationid.dropna().between(1, 265)).sum(),
    }
    if dataset is Dataset.fhv:
        once = trips.drop_duplicates()  # a twin may be of a trip without zones
        return found | {
            "no_pickup_zone": once.pulocationid.isna().sum(),
            "no_dropoff_zone": once.dolocationid.isna().sum(),
        }
    distance = trips["trip_miles" if dataset is Dataset.fhvhv else "trip_distance"]
    found |= {"zero_distance": (distance == 0).sum(), "far_away": (distance > 100_000).sum()}
    if dataset is Dataset.fhvhv:
        fare = trips.base_passenger_fare
        return found | {"negative_fare": (fare < 0).sum(), "no_fare": (fare == 0).sum()}
    known_payments = [0, 1, 2, 3, 4, 5, 6]
    return found | {
        "refund": (trips.total_amount < 0).sum(),
        "no_duration": (duration == 0).sum(),
        "almost_a_day": duration.between(84_000, 86_400, inclusive="left").sum(),
        "zero_passengers": (trips.passenger_count == 0).sum(),
        "unmetered": trips.passenger_count.isna().sum(),
        "unknown_vendor": (~trips.vendorid.isin([1, 2, 4, 6, 7])).sum(),
        "unknown_payment": (~trips.payment_type.dropna().isin(known_payments)).sum(),
        "unknown_rate": (~trips.ratecodeid.dropna().isin([1, 2, 3, 4, 5, 6, 99])).sum(),
        "unknown_trip_type": (~trips.trip_type.dropna().isin([1, 2])).sum() if "trip_type" in trips else 0,
    }


DIRTY_MONTHS = [
    (Dataset.yellow, "2016-03"), (Dataset.yellow, "2019-05"), (Dataset.yellow, "2025-03"),
    (Dataset.green, "2020-12"), (Dataset.green, "2023-12"),
    (Dataset.fhv, "2019-05"), (Dataset.fhv, "2021-02"), (Dataset.fhvhv, "2020-04"), (Dataset.fhvhv, "2024-05"),
]  # fmt: skip


class TestDirt:
    @pytest.mark.parametrize(("dataset", "month"), DIRTY_MONTHS)
    def test_each_kind_is_there_in_its_share_and_no_other(self, dataset: Dataset, month: str) -> None:
        trips = trips_of(dataset, month)
        expected = anomaly_counts(dataset, Month.parse(month), len(trips))
        assert all(expected[kind] > 0 for kind in expected if kind not in RARE)
        assert anomalies_in(dataset, month, trips) == {
            kind: expected.get(kind, 0) for kind in anomalies_in(dataset, month, trips)
        }
        assert set(expected) <= set(anomalies_in(dataset, month, trips))

    @pytest.mark.parametrize(("dataset", "month"), DIRTY_MONTHS)
    def test_a_month_of_a_thousand_rows_has_each_kind_already(self, dataset: Dataset, month: str) -> None:
        found = anomalies_in(dataset, month, trips_of(dataset, month, 1000))
        assert all(found[kind] >= 1 for kind in anomaly_rates(dataset, Month.parse(month)) if kind not in RARE)

    @pytest.mark.parametrize(("dataset", "month"), DIRTY_MONTHS)
    def test_a_clean_month_has_none(self, dataset: Dataset, month: str) -> None:
        found = anomalies_in(dataset, month, trips_of(dataset, month, 20_000, anomalies=False))
        assert not any(found.values()), found

    def test_in_the_largest_yellow_month_a_meter_is_in_2098(self) -> None:
        assert anomaly_counts(Dataset.yellow, Month(2019, 3), default_rows(Dataset.yellow, Month(2019, 3)))[
            "pickup_in_2098"
        ]

    @pytest.mark.parametrize(("dataset", "month"), ERAS)
    def test_rows_without_pickup_time_stay_far_below_the_share_that_fails_a_month(
        self, dataset: Dataset, month: str
    ) -> None:
        for rows in (1000, 10_000):
            missing = trips_of(dataset, month, rows).pickup_datetime.isna().sum()
            assert 1 <= missing <= rows * 0.001

    @pytest.mark.parametrize(("dataset", "month"), [("yellow", "2009-05"), ("yellow", "2019-05"), ("green", "2020-12")])
    def test_a_refund_is_the_same_trip_with_all_its_amounts_negated(self, dataset: str, month: str) -> None:
        trips = trips_of(Dataset(dataset), month, 20_000)
        refunds = np.flatnonzero(trips.total_amount < 0)
        negative, positive = trips.iloc[refunds].reset_index(drop=True), trips.iloc[refunds + 1].reset_index(drop=True)
        amounts = [name for name in trips.columns if "amount" in name or name in ("extra", "mta_tax")]
        pd.testing.assert_frame_equal(negative[amounts], -positive[amounts])
        same = ["pickup_datetime", "dropoff_datetime", "trip_distance", "passenger_count", "payment_type"]
        pd.testing.assert_frame_equal(negative[same], positive[same])

    def test_trips_without_a_meter_lack_what_only_a_meter_knows_and_stand_last(self) -> None:
        for dataset, payment in ((Dataset.yellow, 0), (Dataset.green, None)):
            trips = trips_of(dataset, "2020-12", 10_000)
            unmetered = trips[trips.passenger_count.isna()]
            assert unmetered.index[0] == 10_000 - len(unmetered)
            assert unmetered[["ratecodeid", "store_and_fwd_flag", "congestion_surcharge"]].isna().all(axis=None)
            assert (unmetered.payment_type.isna() if payment is None else unmetered.payment_type == payment).all()
            assert (unmetered.pickup_datetime.dt.second == 0).all()

    def test_years_without_zones_have_trips_without_coordinates(self) -> None:
        frame = trips_of(Dataset.yellow, "2010-05", 20_000)
        assert 0.01 < (frame.pickup_longitude == 0).mean() < 0.05
        assert frame.pickup_longitude[frame.pickup_longitude != 0].between(-74.3, -73.6).all()
        assert frame.pickup_latitude[frame.pickup_latitude != 0].between(40.4, 41).all()


class TestPlausibleTrips:
    def test_a_yellow_months_typical_trip_is_like_the_real_ones(self, tlc: Path) -> None:
        made, real = (
            trips_of(Dataset.yellow, "2019-02"),
            pd.read_csv(tlc / "yellow_samples/yellow_tripdata_sample_2019-02.csv"),
        )
        for name, tolerance in (("trip_distance", 0.1), ("fare_amount", 0.1), ("total_amount", 0.15)):
            assert made[name].median() == pytest.approx(real[name].median(), rel=tolerance)
        assert (made.payment_type == 1).mean() == pytest.approx((real.payment_type == 1).mean(), abs=0.05)
        assert (made.tip_amount[made.payment_type == 2] == 0).all()
        hours = made.pickup_datetime.dt.hour.value_counts(normalize=True)
        assert hours[18] > 4 * hours[4]

    def test_the_amounts_of_a_metered_trip_add_up_to_its_total(self) -> None:
        trips = trips_of(Dataset.green, "2026-06", 5000, anomalies=False)
        parts = [name for name in trips.columns if name.endswith(("_amount", "_tax", "_fee", "_surcharge", "extra"))]
        total = trips[[name for name in parts if name != "total_amount"]].fillna(0).sum(axis=1)
        once = np.where(trips.vendorid == 1, trips.congestion_surcharge.fillna(0), 0)
        assert np.allclose(total - once, trips.total_amount, atol=0.02)


class TestFiles:
    def test_parquet_has_row_groups_and_compression_like_tlcs(self, tmp_path: Path) -> None:
        assert write_parquet(Dataset.fhv, Month(2023, 5), tmp_path / "new", ROW_GROUP_ROWS + 1) == ROW_GROUP_ROWS + 1
        new = pq.read_metadata(tmp_path / "new")
        assert [new.row_group(group).num_rows for group in range(new.num_row_groups)] == [ROW_GROUP_ROWS, 1]
        assert new.row_group(0).column(0).compression == "ZSTD"
        write_parquet(Dataset.fhv, Month(2022, 5), tmp_path / "old", 10)
        assert pq.read_metadata(tmp_path / "old").row_group(0).column(0).compression == "SNAPPY"

    def test_csv_is_spelled_like_the_mirrors(self, tlc: Path, tmp_path: Path) -> None:
        with gzip.open(tlc / "mirror/green/green_tripdata_2020-10.csv.gz") as file:
            header, first = file.readline(), file.readline()
        write_csv_gz(Dataset.green, Month(2020, 10), tmp_path / "made", 2000)
        lines = gzip.decompress((tmp_path / "made").read_bytes()).splitlines(keepends=True)
        assert lines[0] == header
        assert len(lines) == 2001
        assert all(line.endswith(b"\r\n") for line in lines)
        assert len(lines[1].split(b",")) == len(first.split(b","))
        fields = [line.rstrip(b"\r\n").split(b",") for line in lines[1:]]
        assert {row[0] for row in fields} <= {b"", b"1", b"2", b"5", b"9"}
        assert all(b"." in row[8] and len(row[8].split(b".")[1]) == 2 and not row[8].startswith(b"0") for row in fields)
        assert {row[14] for row in fields} == {b""}
        assert {row[11] for row in fields} <= {b"0", b"0.5", b"-0.5"}

    @pytest.mark.parametrize(
        ("dataset", "month"),
        [("yellow", "2019-01"), ("yellow", "2021-07"), ("green", "2020-12"), ("fhv", "2019-05"), ("fhv", "2020-07"),
         ("fhvhv", "2019-02"), ("fhvhv", "2021-06")],
    )  # fmt: skip
    def test_csv_and_parquet_of_a_month_have_the_same_rows(self, tmp_path: Path, dataset: str, month: str) -> None:
        write_csv_gz(Dataset(dataset), Month.parse(month), tmp_path / "csv", 5000)
        raw = trips_of(Dataset(dataset), month, 5000)
        mirror = pd.read_csv(tmp_path / "csv", compression="gzip", low_memory=False)
        assert list(mirror.columns) == list(csv_columns(Dataset(dataset), Month.parse(month)))
        mirror.columns = [field_of(name) for name in mirror.columns]
        assert len(mirror) == len(raw)
        if "passenger_count" in raw:
            metered = raw.passenger_count.notna()
            assert mirror.vendorid.isna().equals(~metered)
            raw.loc[~metered, ["vendorid", "payment_type"]] = np.nan
        for name in set(mirror.columns) - {"sr_flag", "affiliated_base_number", "ehail_fee"}:
            column = mirror[name].astype("datetime64[us]") if "datetime" in name else mirror[name]
            pd.testing.assert_series_equal(column, raw[name], check_dtype=False, check_names=False)

    @pytest.mark.parametrize("dataset", Dataset)
    def test_every_month_of_the_mirror_can_be_written(self, tmp_path: Path, dataset: Dataset) -> None:
        info = dataset_info(dataset)
        for month in months_between(info.mirror_first_month, info.mirror_last_month):
            write_csv_gz(dataset, month, tmp_path / "made", 50)
            lines = gzip.decompress((tmp_path / "made").read_bytes()).splitlines()
            assert len(lines) == 51
            assert {line.count(b",") for line in lines} == {len(csv_columns(dataset, month)) - 1}

    def test_the_mirror_ends_where_the_real_one_does(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="from 2019-01 to 2021-07"):
            write_csv_gz(Dataset.green, Month(2021, 8), tmp_path / "made")

    def test_the_zone_lookup_has_every_number_and_says_na_literally(self) -> None:
        rows = list(csv.DictReader(taxi_zone_lookup().decode().splitlines()))
        assert [int(row["LocationID"]) for row in rows] == list(range(1, 266))
        assert list(rows[0]) == ["LocationID", "Borough", "Zone", "service_zone"]
        assert [rows[zone - 1]["Zone"] for zone in (132, 237)] == ["JFK Airport", "Upper East Side South"]
        assert tuple(rows[263].values()) == ("264", "Unknown", "N/A", "N/A")
        assert {row["Borough"] for row in rows} == {
            "EWR", "Manhattan", "Queens", "Brooklyn", "Bronx", "Staten Island", "Unknown", "N/A"
        }  # fmt: skip


class TestPublished:
    def test_the_last_month_is_2026_06(self) -> None:
        for dataset in Dataset:
            first = dataset_info(dataset).first_month
            assert [published(dataset, month) for month in (first.plus(-1), first, LAST_MONTH, LAST_MONTH.plus(1))] == [
                False, True, True, False
            ]  # fmt: skip

    def test_a_later_day_has_later_months(self) -> None:
        assert published(Dataset.green, Month(2026, 7), today=date(2026, 10, 1))

    def test_the_mirror_has_its_own_months(self) -> None:
        months = (Month(2018, 12), Month(2019, 1), Month(2021, 7), Month(2021, 8))
        assert [published(Dataset.green, month, source=Source.mirror) for month in months] == [False, True, True, False]


class TestGenerate:
    def test_it_makes_a_file_once(self, tmp_path: Path) -> None:
        path = "/trip-data/green_tripdata_2020-04.parquet"
        made = generate(path, tmp_path)
        assert made == tmp_path / "trip-data" / "green_tripdata_2020-04.parquet"
        assert pq.read_metadata(made).num_rows == default_rows(Dataset.green, Month(2020, 4))
        before = made.stat()
        assert generate(path, tmp_path) == made
        assert (made.stat().st_mtime_ns, made.stat().st_ino) == (before.st_mtime_ns, before.st_ino)

    def test_it_makes_the_mirrors_files_and_the_zones(self, tmp_path: Path) -> None:
        csv_file = generate("/green/green_tripdata_2020-04.csv.gz", tmp_path)
        assert csv_file is not None
        assert gzip.decompress(csv_file.read_bytes()).count(b"\n") == default_rows(Dataset.green, Month(2020, 4)) + 1
        zones = generate("/misc/taxi_zone_lookup.csv", tmp_path)
        assert zones is not None
        assert zones.read_bytes() == taxi_zone_lookup()
        zones.write_text("of another version")
        assert generate("/misc/taxi_zone_lookup.csv", tmp_path) == zones
        assert zones.read_bytes() == taxi_zone_lookup()

    @pytest.mark.parametrize(
        "path",
        [
            "/trip-data/green_tripdata_2026-07.parquet", "/trip-data/green_tripdata_2013-12.parquet",
            "/trip-data/green_tripdata_2020-13.parquet", "/trip-data/blue_tripdata_2020-12.parquet",
            "/green/green_tripdata_2020-12.parquet", "/yellow/green_tripdata_2020-12.csv.gz",
            "/green/green_tripdata_2021-08.csv.gz", "/trip-data/../green_tripdata_2020-12.parquet", "/", "",
        ],
    )  # fmt: skip
    def test_what_the_source_does_not_have_is_nowhere(self, tmp_path: Path, path: str) -> None:
        assert generate(path, tmp_path) is None
        assert list(tmp_path.iterdir()) == []

    def test_threads_and_processes_at_once_get_the_same_whole_file(self, tmp_path: Path) -> None:
        path = "/trip-data/fhv_tripdata_2020-04.parquet"
        program = f"""
from pathlib import Path
from deployments.tlc_site.synthetic.months import generate
print(generate({path!r}, Path({str(tmp_path)!r})).stat().st_ino)
"""
        others = [
            subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        with ThreadPoolExecutor(4) as threads:
            made = list(threads.map(lambda _: generate(path, tmp_path).stat().st_ino, range(8)))
        assert {*made, *(int(other.communicate()[0]) for other in others)} == {made[0]}
        assert [file.name for file in (tmp_path / "trip-data").iterdir() if "lock" not in file.name] == [
            "fhv_tripdata_2020-04.parquet"
        ]
