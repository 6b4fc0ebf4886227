"""The declared columns against every real file of every era, and what schema files may not contain."""

from __future__ import annotations

import csv
import gzip
import pickle
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from flows.tlc import schema_docs
from flows.tlc.dataset import Dataset, read_toml
from flows.tlc.month import Month
from flows.tlc.schema import Schema, bigquery_fields, build_schema, postgres_columns, schema_of, zones

SHARED: dict[str, Any] = read_toml("schemas/shared.toml")
EMPTY_BEFORE_THEIR_TIME = {("yellow", "congestion_surcharge"), ("green", "congestion_surcharge")}


def dataset_in(path: Path) -> Dataset:
    return Dataset(path.name.partition("_")[0])


def csv_header(path: Path) -> list[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="") as lines:
        return next(csv.reader(lines))


def real_headers(tlc: Path) -> Iterator[tuple[Path, list[str]]]:
    """The column names of every real file, as they stand in it."""
    for folder in ("heads", "samples", "mirror"):
        for path in sorted((tlc / folder).rglob("*.csv*")):
            yield path, csv_header(path)
    for path in sorted(tlc.rglob("*.parquet")):
        yield path, pq.read_schema(path).names


def catalogue(tlc: Path) -> Iterator[tuple[Dataset, Month, list[str]]]:
    with (tlc / "catalogue.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            yield Dataset(row["dataset"]), Month.parse(row["month"]), row["columns"].split()


def conformed_names(schema: Schema, source_names: list[str]) -> list[str]:
    """What a file's columns become, in the file's order, without those that are ignored."""
    found = [(name, schema.find(name)) for name in source_names if not schema.is_ignored(name, source_names)]
    assert not [name for name, column in found if column is None]
    return [column.name for _, column in found if column is not None]


# Every era


def test_every_published_file_has_known_columns_and_no_two_become_one(tlc: Path) -> None:
    files = list(catalogue(tlc))
    assert len(files) == 487
    for dataset, month, source_names in files:
        names = conformed_names(schema_of(dataset), source_names)
        assert len(set(names)) == len(names), f"{dataset} {month}"
        assert schema_of(dataset).role("pickup").name in names  # type: ignore[union-attr]


def test_columns_stand_only_in_files_of_the_months_they_are_declared_for(tlc: Path) -> None:
    outside = set()
    for dataset, month, source_names in catalogue(tlc):
        schema = schema_of(dataset)
        names = conformed_names(schema, source_names)
        outside |= {(str(dataset), name) for name in names if not schema.column(name).covers(month)}
    assert outside == EMPTY_BEFORE_THEIR_TIME


def test_published_files_of_the_last_format_have_every_column_declared_for_them(tlc: Path) -> None:
    month = Month(2024, 5)
    last = {dataset: names for dataset, file_month, names in catalogue(tlc) if file_month == month}
    assert set(last) == set(Dataset)
    for dataset, source_names in last.items():
        schema = schema_of(dataset)
        declared = [column.name for column in schema.trip_columns if column.covers(month)]
        assert sorted(conformed_names(schema, source_names)) == sorted(declared)


def test_every_real_file_has_known_columns_and_no_two_become_one(tlc: Path) -> None:
    headers = list(real_headers(tlc))
    assert len(headers) == 18
    for path, source_names in headers:
        names = conformed_names(schema_of(dataset_in(path)), source_names)
        assert len(set(names)) == len(names), path.name


def test_green_columns_of_the_course_become_the_20_of_its_table(tlc: Path) -> None:
    header = csv_header(tlc / "mirror" / "green" / "green_tripdata_2020-12.csv.gz")
    names = conformed_names(schema_of(Dataset.green), header)
    assert len(names) == 20
    changed = {new: old for new, old in zip(names, header, strict=True) if new != old}
    assert changed == {
        "vendor_id": "VendorID",
        "ratecode_id": "RatecodeID",
        "pu_location_id": "PULocationID",
        "do_location_id": "DOLocationID",
    }


@pytest.mark.parametrize(
    ("source_name", "name"),
    [
        ("vendor_name", "vendor_id"),
        ("Trip_Pickup_DateTime", "tpep_pickup_datetime"),
        ("Start_Lon", "pickup_longitude"),
        ("End_Lat", "dropoff_latitude"),
        ("store_and_forward", "store_and_fwd_flag"),
        ("surcharge", "extra"),
        (" dropoff_datetime", "tpep_dropoff_datetime"),
        ("Airport_fee", "airport_fee"),
        ("airport_fee", "airport_fee"),
        ("request_source", "request_source"),
    ],
)
def test_yellow_names_of_all_eras_find_their_column(source_name: str, name: str) -> None:
    column = schema_of(Dataset.yellow).find(source_name)
    assert column is not None
    assert column.name == name


@pytest.mark.parametrize(
    ("dataset", "source_name", "name"),
    [
        (Dataset.green, "Trip_type \r", "trip_type"),
        (Dataset.green, "RateCodeID", "ratecode_id"),
        (Dataset.green, "Lpep_dropoff_datetime", "lpep_dropoff_datetime"),
        (Dataset.fhv, "locationID", "pu_location_id"),
        (Dataset.fhv, "Pickup_date", "pickup_datetime"),
        (Dataset.fhv, "dropOff_datetime", "dropoff_datetime"),
        (Dataset.fhvhv, "SR_Flag", "sr_flag"),
        (Dataset.fhvhv, "Affiliated_base_number", "affiliated_base_number"),
    ],
)
def test_names_of_other_eras_find_their_column(dataset: Dataset, source_name: str, name: str) -> None:
    column = schema_of(dataset).find(source_name)
    assert column is not None
    assert column.name == name


def test_a_name_that_nobody_declared_is_neither_found_nor_ignored() -> None:
    schema = schema_of(Dataset.yellow)
    assert schema.find("robot_driver_id") is None
    assert not schema.is_ignored("robot_driver_id")


def test_the_stray_index_of_2010_is_ignored() -> None:
    assert schema_of(Dataset.yellow).is_ignored("__index_level_0__")


def test_the_base_number_of_2018_is_left_out_only_beside_the_column_that_holds_the_base(tlc: Path) -> None:
    schema = schema_of(Dataset.fhv)
    header = csv_header(tlc / "heads" / "fhv_tripdata_2018-01.csv")
    assert schema.is_ignored("Dispatching_base_num", header)
    assert not schema.is_ignored("Dispatching_base_number", header)
    assert not schema.is_ignored("dispatching_base_num", ["dispatching_base_num", "pickup_datetime"])


# Values


@pytest.mark.parametrize("name", ["green_tripdata_2020-12.parquet", "green_tripdata_2023-12.parquet"])
def test_every_value_of_a_whole_month_fits_its_type(tlc: Path, name: str) -> None:
    table = pq.read_table(tlc / "cdn" / "trip-data" / name)
    assert_values_fit(schema_of(Dataset.green), table)


def test_every_sampled_value_fits_its_type(tlc: Path) -> None:
    options = pa_csv.ConvertOptions(null_values=[""], strings_can_be_null=True)
    for path in sorted((tlc / "samples").glob("*.csv")):
        assert_values_fit(schema_of(dataset_in(path)), pa_csv.read_csv(path, convert_options=options))


def assert_values_fit(schema: Schema, table: pa.Table) -> None:
    """pyarrow's safe casts raise where a value does not fit; nanoseconds and the like must be whole microseconds."""
    for source_name in table.column_names:
        column = schema.find(source_name)
        assert column is not None
        assert table[source_name].cast(column.arrow).null_count == table[source_name].null_count


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("vendor_id", ["CMT", "VTS", "DDS"]),
        ("payment_type", ["CASH", "Credit", "No Charge", "Dispute", "CAS", "CRE", "CRD", "CSH", "NOC", "No ", "DIS"]),
        ("payment_type", ["UNK", "NA "]),
    ],
)
def test_codes_that_older_yellow_files_wrote_as_text_have_a_meaning(name: str, texts: list[str]) -> None:
    column = schema_of(Dataset.yellow).column(name)
    assert all(column.text_codes[text.strip().upper()] in column.codes for text in texts)


def test_the_code_of_dds_is_not_one_that_tlc_uses() -> None:
    vendor = schema_of(Dataset.yellow).column("vendor_id")
    assert vendor.text_codes["DDS"] not in {1, 2, 4, 5, 6, 7}


def test_store_and_forward_of_2009_becomes_y_and_n() -> None:
    flag = schema_of(Dataset.yellow).column("store_and_fwd_flag")
    assert [flag.text_values[text] for text in ("0", "1")] == ["N", "Y"]
    assert set(flag.text_values.values()) == set(flag.values)


def test_yellow_and_green_agree_on_every_code_but_the_vendor_that_only_yellow_had() -> None:
    yellow, green = schema_of(Dataset.yellow), schema_of(Dataset.green)
    for name in ("ratecode_id", "payment_type"):
        assert yellow.column(name).codes == green.column(name).codes
    assert yellow.column("vendor_id").codes.items() >= green.column("vendor_id").codes.items()


def test_zones_are_those_of_the_published_lookup(tlc: Path) -> None:
    with (tlc / "cdn" / "misc" / "taxi_zone_lookup.csv").open(newline="") as lines:
        numbers = [int(row[0]) for row in list(csv.reader(lines))[1:]]
    assert numbers == list(range(zones().first, zones().last + 1))
    assert (zones().unknown, zones().outside) == (264, 265)


# What schemas promise


@pytest.mark.parametrize("dataset", list(Dataset))
def test_source_month_stands_last_and_is_never_null(dataset: Dataset) -> None:
    schema = schema_of(dataset)
    assert schema.names[-1] == "source_month"
    assert schema.arrow.field("source_month") == pa.field("source_month", pa.date32(), nullable=False)
    assert [column.name for column in schema.columns if column not in schema.trip_columns] == ["source_month"]


@pytest.mark.parametrize("dataset", list(Dataset))
def test_only_the_pickup_time_and_the_month_are_required(dataset: Dataset) -> None:
    schema = schema_of(dataset)
    pickup = schema.role("pickup")
    assert pickup is not None
    assert [column.name for column in schema.columns if column.required] == [pickup.name, "source_month"]


@pytest.mark.parametrize("dataset", list(Dataset))
def test_every_column_is_explained_in_whole_sentences(dataset: Dataset) -> None:
    for column in schema_of(dataset).columns:
        assert column.description.endswith("."), column.name
        assert column.description[0].isupper(), column.name
        assert len(column.comment) <= 1024, "BigQuery takes no longer description"


@pytest.mark.parametrize("dataset", list(Dataset))
def test_every_type_has_its_counterpart_in_each_system(dataset: Dataset) -> None:
    for column in schema_of(dataset).columns:
        kinds = (column.arrow, column.postgres, column.bigquery, column.duckdb)
        assert kinds in [
            (pa.int16(), "smallint", "INT64", "SMALLINT"),
            (pa.int32(), "integer", "INT64", "INTEGER"),
            (pa.float64(), "double precision", "FLOAT64", "DOUBLE"),
            (pa.string(), "text", "STRING", "VARCHAR"),
            (pa.timestamp("us"), "timestamp", "DATETIME", "TIMESTAMP"),
            (pa.date32(), "date", "DATE", "DATE"),
        ]


def test_arrow_fields_carry_description_and_unit() -> None:
    field = schema_of(Dataset.green).arrow.field("trip_distance")
    assert field.nullable
    assert field.metadata == {b"description": b"Distance of the trip by the taximeter.", b"unit": b"miles"}


def test_postgres_columns_are_in_schema_order() -> None:
    columns = postgres_columns(schema_of(Dataset.fhv))
    assert columns == [
        ("dispatching_base_num", "text", False),
        ("pickup_datetime", "timestamp", True),
        ("dropoff_datetime", "timestamp", False),
        ("pu_location_id", "smallint", False),
        ("do_location_id", "smallint", False),
        ("sr_flag", "smallint", False),
        ("affiliated_base_number", "text", False),
        ("source_month", "date", True),
    ]


def test_bigquery_fields_have_modes_units_and_the_meaning_of_codes() -> None:
    fields = {field["name"]: field for field in bigquery_fields(schema_of(Dataset.green))}
    assert list(fields) == list(schema_of(Dataset.green).names)
    assert fields["lpep_pickup_datetime"]["type"] == "DATETIME"
    assert fields["lpep_pickup_datetime"]["mode"] == "REQUIRED"
    assert fields["trip_distance"]["mode"] == "NULLABLE"
    assert fields["trip_distance"]["description"].endswith("Unit: miles.")
    assert fields["trip_type"]["description"].endswith("1 = Street-hail; 2 = Dispatch.")


def test_roles_name_the_same_thing_in_each_dataset() -> None:
    def roles(dataset: Dataset) -> dict[str, str]:
        return {column.role: column.name for column in schema_of(dataset).columns if column.role}

    zones_of_trip = {"pickup_zone": "pu_location_id", "dropoff_zone": "do_location_id"}
    taxi = zones_of_trip | {
        "vendor": "vendor_id",
        "passengers": "passenger_count",
        "distance": "trip_distance",
        "ratecode": "ratecode_id",
        "payment_type": "payment_type",
        "total": "total_amount",
    }
    for_hire = zones_of_trip | {"pickup": "pickup_datetime", "dropoff": "dropoff_datetime"}
    tpep = {"pickup": "tpep_pickup_datetime", "dropoff": "tpep_dropoff_datetime"}
    lpep = {"pickup": "lpep_pickup_datetime", "dropoff": "lpep_dropoff_datetime", "trip_type": "trip_type"}
    assert roles(Dataset.yellow) == taxi | tpep
    assert roles(Dataset.green) == taxi | lpep
    assert roles(Dataset.fhv) == for_hire
    assert roles(Dataset.fhvhv) == for_hire | {"distance": "trip_miles", "total": "base_passenger_fare"}


def test_a_role_that_a_dataset_lacks_is_none_and_one_that_nobody_has_is_an_error() -> None:
    assert schema_of(Dataset.fhv).role("total") is None
    with pytest.raises(ValueError, match="'colour' is not a role"):
        schema_of(Dataset.fhv).role("colour")  # type: ignore[arg-type]


@pytest.mark.parametrize("dataset", list(Dataset))
def test_schemas_are_read_once_and_travel_between_processes(dataset: Dataset) -> None:
    schema = schema_of(dataset)
    assert schema_of(dataset) is schema
    assert pickle.loads(pickle.dumps(schema)) == schema


# New columns


@pytest.mark.parametrize("dataset", [Dataset.yellow, Dataset.green])
def test_request_source_is_a_text_of_files_from_2026_06_on(dataset: Dataset) -> None:
    column = schema_of(dataset).find("request_source")
    assert column is not None
    assert column.arrow == pa.string()
    assert not column.covers(Month(2026, 5))
    assert column.covers(Month(2026, 6))
    assert column.covers(Month(2027, 1))


@pytest.mark.parametrize("dataset", [Dataset.yellow, Dataset.green, Dataset.fhvhv])
def test_the_congestion_zone_toll_is_a_column_of_files_from_2025_on(dataset: Dataset) -> None:
    column = schema_of(dataset).column("cbd_congestion_fee")
    assert (column.covers(Month(2024, 12)), column.covers(Month(2025, 1))) == (False, True)


def test_coordinates_are_columns_of_files_to_2010() -> None:
    column = schema_of(Dataset.yellow).column("pickup_longitude")
    assert (column.covers(Month(2010, 12)), column.covers(Month(2011, 1))) == (True, False)


# Versions


def green(**changes: Any) -> dict[str, Any]:
    """The entries of green's file, with keys of its column trip_distance changed."""
    own = deepcopy(read_toml("schemas/green.toml"))
    next(entry for entry in own["column"] if entry["name"] == "trip_distance").update(changes)
    return own


def built(own: dict[str, Any]) -> Schema:
    return build_schema(Dataset.green, own, SHARED, "green.toml")


OLD, NEW = Month(2020, 12), Month(2027, 3)


def test_a_version_is_12_hex_characters_and_stays_from_run_to_run() -> None:
    version = schema_of(Dataset.green).version(OLD)
    assert len(version) == 12
    assert int(version, 16) >= 0
    assert built(green()).version(OLD) == version


def test_a_column_invented_tomorrow_changes_no_older_version() -> None:
    own = green()
    own["column"].append(
        {"name": "x", "type": "text", "source_names": ["X"], "since": "2027-03", "description": "Something new."}
    )
    assert built(own).version(OLD) == schema_of(Dataset.green).version(OLD)
    assert built(own).version(NEW.plus(-1)) == schema_of(Dataset.green).version(NEW.plus(-1))
    assert built(own).version(NEW) != schema_of(Dataset.green).version(NEW)


def test_versions_differ_where_the_columns_do() -> None:
    schema = schema_of(Dataset.green)
    versions = [schema.version(month) for month in (Month(2018, 12), OLD, Month(2025, 1), Month(2026, 6))]
    assert len(set(versions)) == 4
    assert schema.version(Month(2019, 1)) == schema.version(Month(2024, 12))


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "int32"},
        {"name": "distance"},
        {"source_names": ["trip_distance", "Trip_Miles"]},
        {"until": "2099-12"},
        {"since": "2014-01"},
        {"type": "int16", "text_codes": {"FAR": 99}},
        {"type": "text", "text_values": {"FAR": "far"}},
    ],
)
def test_whatever_changes_values_changes_the_version(changes: dict[str, Any]) -> None:
    before = {key: changes[key] for key in ("type",) if key in changes and len(changes) > 1}
    assert built(green(**changes)).version(OLD) != built(green(**before)).version(OLD)


@pytest.mark.parametrize(
    "changes",
    [
        {"description": "How far it went."},
        {"unit": "mi"},
        {"role": "total"},
        {"source_names": ["Trip_distance"]},
    ],
)
def test_words_about_a_column_change_no_version(changes: dict[str, Any]) -> None:
    own = green(**changes)
    if "role" in changes:
        del next(entry for entry in own["column"] if entry["name"] == "total_amount")["role"]
    assert built(own).version(OLD) == schema_of(Dataset.green).version(OLD)


def test_meanings_and_order_change_no_version() -> None:
    own = green()
    own["column"].reverse()
    next(entry for entry in own["column"] if entry["name"] == "payment_type")["codes"]["7"] = "Gold"
    assert built(own).version(OLD) == schema_of(Dataset.green).version(OLD)


# Strictness


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sorce_names": ["a"]}, "green.toml: column 'trip_distance': unknown key 'sorce_names'"),
        ({"type": "int64"}, "green.toml: column 'trip_distance': unknown type 'int64'"),
        ({"role": "length"}, "green.toml: column 'trip_distance': unknown role 'length'"),
        ({"role": "total"}, "green.toml: the role 'total' is there 2 times"),
        ({"name": "fare_amount"}, "green.toml: the name 'fare_amount' is there 2 times"),
        ({"name": "Trip_Distance"}, "column 'Trip_Distance': the name is not in snake case"),
        ({"source_names": [" FARE_Amount"]}, "green.toml: the source name 'fare_amount' is there 2 times"),
        ({"source_names": ["Pickup_latitude"]}, "green.toml: the source name 'pickup_latitude' is there 2 times"),
        ({"source_names": []}, "column 'trip_distance': 'source_names' is missing"),
        ({"source_names": "trip_distance"}, "column 'trip_distance': source_names = 'trip_distance' is not a"),
        ({"source_names": [1]}, "column 'trip_distance': source_names has 1"),
        ({"since": "2025-13"}, "column 'trip_distance': '2025-13' is not a month"),
        ({"since": "2025-02", "until": "2025-01"}, "column 'trip_distance': since is later than until"),
        ({"codes": {"1": "Far"}}, "column 'trip_distance': codes need an integer type, not float64"),
        ({"type": "int16", "codes": {"one": "Far"}}, "column 'trip_distance': invalid literal"),
        ({"type": "int16", "codes": {"1": 2}}, "column 'trip_distance': codes.1 = 2 is not a TOML str"),
        ({"values": {"A": "Far"}}, "column 'trip_distance': values need the type text, not float64"),
        ({"type": "text", "text_values": {"far": "F"}}, "column 'trip_distance': 'far' would never match"),
        ({"type": "int16", "text_codes": {"FAR ": 1}}, "column 'trip_distance': 'FAR ' would never match"),
    ],
)
def test_a_faulty_entry_is_an_error_that_names_file_and_entry(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        built(green(**changes))


@pytest.mark.parametrize("key", ["name", "type", "description"])
def test_an_entry_without_a_needed_key_is_an_error(key: str) -> None:
    own = green()
    del own["column"][3][key]
    with pytest.raises(ValueError, match=f"green.toml: column .*: '{key}' is missing"):
        built(own)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colums": []}, "green.toml: unknown key 'colums'"),
        ({"dataset": "yellow"}, "green.toml: dataset is 'yellow', expected 'green'"),
        ({"ignored_beside": {"VendorID": "Vendor"}}, "green.toml: ignored_beside has 'Vendor'"),
    ],
)
def test_a_faulty_file_is_an_error_that_names_it(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        built(green() | changes)


# The document


def test_the_document_is_what_the_schema_files_say() -> None:
    document = schema_docs.DOCUMENT.read_text(encoding="utf-8")
    assert document == schema_docs.schema_document(), "python -m flows.tlc.schema_docs > docs/schema.md"
    assert schema_docs.main(["--check"]) == 0


def test_a_document_out_of_date_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schema_docs, "DOCUMENT", tmp_path / "schema.md")
    assert schema_docs.main(["--check"]) == 1
    assert "python -m flows.tlc.schema_docs > docs/schema.md" in capsys.readouterr().err


def test_the_document_tells_a_column_of_several_datasets_once() -> None:
    document = schema_docs.schema_document()
    assert "| yellow (since 2011-01), green | `PULocationID` | Taxi zone where the meter was engaged" in document
    assert "| yellow, green | `RatecodeID`, `rate_code` (yellow) |" in document
    assert document.count("The rate in effect at the end of the trip.") == 1


def test_the_document_explains_every_column_and_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema_docs.main([]) == 0
    document = capsys.readouterr().out
    for dataset in Dataset:
        for column in schema_of(dataset).columns:
            assert f"| `{column.name}` | {column.postgres} / {column.bigquery}" in document
            assert column.description in document
            assert all(f"| {code} | {meaning} |" in document for code, meaning in column.meanings.items())
