"""What BigQuery's tables become, column by column, without a server."""

from __future__ import annotations

import pytest
from google.cloud.bigquery import SchemaField, Table

from flows.load.bigquery.tables import merged_fields
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetMismatch
from flows.tlc.schema import bigquery_fields, schema_of


def table(*fields: SchemaField) -> Table:
    return Table("project.tlc.green_trips", schema=list(fields))


def test_new_columns_come_last_and_may_be_null() -> None:
    old, new = SchemaField("a", "INTEGER"), SchemaField("b", "STRING", "REQUIRED", description="New.")
    merged = merged_fields(table(old), [new, old])
    assert [(field.name, field.mode) for field in merged] == [("a", "NULLABLE"), ("b", "NULLABLE")]
    assert merged[1].description == "New."


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [
        ("REQUIRED", "REQUIRED", "REQUIRED"),
        ("REQUIRED", "NULLABLE", "NULLABLE"),
        ("NULLABLE", "REQUIRED", "NULLABLE"),
    ],
)
def test_a_mode_is_only_ever_relaxed(old: str, new: str, result: str) -> None:
    merged = merged_fields(table(SchemaField("a", "INTEGER", old)), [SchemaField("a", "INT64", new)])
    assert [field.mode for field in merged] == [result]


def test_columns_that_this_version_does_not_know_stay_and_may_be_null() -> None:
    policy = {"name": "a", "type": "STRING", "mode": "REQUIRED", "policyTags": {"names": ["secret"]}}
    merged = merged_fields(table(SchemaField.from_api_repr(policy)), [SchemaField("b", "DATE")])
    assert [(field.name, field.mode) for field in merged] == [("a", "NULLABLE"), ("b", "NULLABLE")]
    assert merged[0].policy_tags is not None
    assert merged[0].policy_tags.names == ("secret",)


def test_descriptions_follow_the_schema_files() -> None:
    merged = merged_fields(
        table(SchemaField("a", "FLOAT", description="Old.")), [SchemaField("a", "FLOAT64", description="New.")]
    )
    assert [(field.field_type, field.description) for field in merged] == [("FLOAT", "New.")]


def test_another_type_names_both() -> None:
    with pytest.raises(TargetMismatch, match=r"green_trips.a is STRING in BigQuery, but INT64 is declared"):
        merged_fields(table(SchemaField("a", "STRING")), [SchemaField("a", "INT64")])


@pytest.mark.parametrize("dataset", Dataset)
def test_every_dataset_has_descriptions_that_bigquery_takes(dataset: Dataset) -> None:
    fields = bigquery_fields(schema_of(dataset))
    assert all(0 < len(field["description"]) <= 1024 for field in fields)
    assert fields[-1] | {"description": ""} == {
        "name": "source_month",
        "type": "DATE",
        "mode": "REQUIRED",
        "description": "",
    }
