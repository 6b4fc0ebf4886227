"""What a deployment's form refuses before there is a run, in words."""

from __future__ import annotations

import pytest
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

import flows
from deployments.server.form_rules import with_form_rules
from flows.tlc.dataset import Dataset, Source, dataset_info

WITH_SOURCE = ["api_to_postgres", "api_to_gcs", "load_month", "backfill"]


@pytest.mark.parametrize("flow", flows.__all__)
def test_unknown_parameter_is_refused_by_name_and_known_ones_are_taken(flow: str) -> None:
    schema = with_form_rules(parameter_schema(getattr(flows, flow).fn).model_dump())
    defaults = {name: one["default"] for name, one in schema["properties"].items() if "default" in one}
    assert validate(defaults, schema, ignore_required=True) == []
    (error,) = validate(defaults | {"evil": 1}, schema, ignore_required=True)
    assert error.message == "Additional properties are not allowed ('evil' was unexpected)"


def refused(flow: str, **given: object) -> list[str]:
    schema = with_form_rules(parameter_schema(getattr(flows, flow).fn).model_dump())
    return [error.message for error in validate(given, schema)]


@pytest.mark.parametrize("flow", WITH_SOURCE)
@pytest.mark.parametrize("dataset", Dataset)
def test_first_month_of_a_dataset_is_taken_and_the_one_before_refused(flow: str, dataset: Dataset) -> None:
    month = "start_month" if flow == "backfill" else "month"
    first = dataset_info(dataset).first_month
    assert refused(flow, dataset=dataset, **{month: str(first)}) == []
    assert refused(flow, dataset=dataset, **{month: str(first.plus(-1))}) == [
        f"'a month from {first} on, which tlc has of {dataset}' was expected"
    ]


@pytest.mark.parametrize("dataset", Dataset)
def test_span_of_the_mirror(dataset: Dataset) -> None:
    first, last = dataset_info(dataset).span(Source.mirror)
    assert last is not None
    for month in (first, last):
        assert refused("load_month", dataset=dataset, source="mirror", month=str(month)) == []
    for month in (first.plus(-1), last.plus(1), last.plus(30)):
        assert refused("load_month", dataset=dataset, source="mirror", month=str(month)) == [
            f"'a month from {first} to {last}, which mirror has of {dataset}' was expected"
        ]


def test_month_that_may_be_left_out_may() -> None:
    assert refused("load_month", dataset="fhv", month=None) == []
    assert refused("backfill", dataset="fhv", start_month=None, end_month=None) == []


def test_text_that_is_no_month_is_refused_once() -> None:
    assert refused("load_month", dataset="fhv", month="May") == [
        "'a month as YYYY-MM, for example 2020-10' was expected"
    ]
