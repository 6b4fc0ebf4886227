"""The tables of names: what they are called, and that the schema files do not contradict each other."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from flows.tlc import codes, schema
from flows.tlc.codes import ZONES, code_tables, schema_codes, version_of_zones, zone_rows
from flows.tlc.dataset import Dataset, read_toml
from flows.tlc.schema import schema_of

NAMES = {rows.name: dict(rows.rows) for rows in schema_codes()}


def test_tables_and_their_columns_are_those_that_others_rely_on() -> None:
    assert {table.name: table.names for table in code_tables()} == {
        "zones": ("location_id", "borough", "zone", "service_zone"),
        "payment_types": ("code", "name"),
        "vendors": ("code", "name"),
        "rate_codes": ("code", "name"),
        "trip_types": ("code", "name"),
        "hvfhs_licenses": ("code", "name"),
    }
    assert {table.name: table.key.type for table in code_tables() if table.key.type != "int16"} == {
        "hvfhs_licenses": "text"
    }
    for table in code_tables():
        assert table.key.required
        assert all(text.endswith(".") for text in (table.description, *(column.comment for column in table.columns)))


@pytest.mark.parametrize("dataset", Dataset)
def test_every_code_of_the_schema_files_has_its_name_there(dataset: Dataset) -> None:
    columns = {entry["column"]: entry["table"] for entry in read_toml("codes.toml")["codes"]}
    for column in schema_of(dataset).columns:
        if column.name in columns:
            meanings = {**column.codes, **column.values}
            assert meanings
            assert {code: NAMES[columns[column.name]][code] for code in meanings} == meanings


def test_datasets_codes_are_together_in_order() -> None:
    assert list(NAMES["vendors"]) == [1, 2, 3, 6, 7]  # 3 is yellow's alone
    assert NAMES["payment_types"][1] == "Credit card"
    assert NAMES["hvfhs_licenses"] == {"HV0002": "Juno", "HV0003": "Uber", "HV0004": "Via", "HV0005": "Lyft"}


def changed_schema(change: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> tuple[codes.CodeRows, ...]:
    """The code tables where green's vendors are changed."""
    own: dict[str, Any] = deepcopy(read_toml("schemas/green.toml"))
    next(column for column in own["column"] if column["name"] == "vendor_id")["codes"].update(change)
    green = schema.build_schema(Dataset.green, own, read_toml("schemas/shared.toml"), "green.toml")
    monkeypatch.setattr(codes, "schema_of", lambda dataset: green if dataset is Dataset.green else schema_of(dataset))
    return schema_codes.__wrapped__()


def test_one_code_with_two_meanings_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"vendor_id 1 is 'Creative Mobile.*' in one schema file, 'CMT' in another"):
        changed_schema({"1": "CMT"}, monkeypatch)


def test_version_changes_with_the_content_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {rows.name: rows.version for rows in schema_codes()}
    after = {rows.name: rows.version for rows in changed_schema({"9": "Somebody new"}, monkeypatch)}
    assert {name for name in before if before[name] != after[name]} == {"vendors"}


def test_zones_have_the_version_of_the_file_that_they_are_of() -> None:
    assert zone_rows([(1, "EWR", "Newark Airport", "EWR")], '"v1"').version == version_of_zones('"v1"')
    assert version_of_zones('"v1"') != version_of_zones('"v2"')
    assert (zone_rows().name, zone_rows().rows, zone_rows().version) == (ZONES, (), "")
