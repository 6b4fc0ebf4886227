"""The forms that the UI makes of the flows' parameters explain themselves."""

from __future__ import annotations

import pytest
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

import flows

EXPECTED = "a month as YYYY-MM, for example 2020-10"


@pytest.mark.parametrize("name", flows.__all__)
def test_every_flow_and_parameter_has_help_and_its_name(name: str) -> None:
    flow = getattr(flows, name)
    assert flow.name == name.replace("_", "-")
    assert flow.description
    for parameter, schema in parameter_schema(flow.fn).properties.items():
        assert len(schema.get("description", "")) > 20, parameter


@pytest.mark.parametrize("name", flows.__all__)
def test_bad_month_is_refused_by_the_form_readably_and_none_is_taken_where_it_may_be_left_out(name: str) -> None:
    form = parameter_schema(getattr(flows, name).fn)
    schema = form.model_dump()
    months = [parameter for parameter, one in form.properties.items() if one.get("then") == {"const": EXPECTED}]
    assert months or name in ("green_taxi_etl", "stream_to_postgres")  # which have a list of them, and none
    given = dict.fromkeys(form.required, "2020-12") | ({"dataset": "green"} if "dataset" in form.properties else {})
    given |= {"file": "tips_by_hour.sql", "target": "postgres"} if "file" in form.properties else {}
    for month in months:
        (error,) = validate(given | {month: "2020-13"}, schema)
        assert error.message == f"'{EXPECTED}' was expected"
        takes_none = validate(given | {month: None}, schema) == []
        assert takes_none is (month not in form.required)


def test_choices_are_choices() -> None:
    schema = parameter_schema(flows.api_to_postgres.fn)
    assert schema.definitions["Dataset"]["enum"] == ["yellow", "green", "fhv", "fhvhv"]
    assert "zero_distance" in schema.properties["drop_rules"]["items"]["enum"]
    assert schema.required == ["dataset", "month"]
