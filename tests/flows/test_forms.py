"""The forms that the UI makes of the flows' parameters explain themselves."""

from __future__ import annotations

import pytest
from prefect.utilities.callables import parameter_schema

import flows


@pytest.mark.parametrize("name", flows.__all__)
def test_every_flow_and_parameter_has_help_and_its_name(name: str) -> None:
    flow = getattr(flows, name)
    assert flow.name == name.replace("_", "-")
    assert flow.description
    for parameter, schema in parameter_schema(flow.fn).properties.items():
        assert len(schema.get("description", "")) > 20, parameter


def test_choices_are_choices_and_months_have_a_pattern() -> None:
    schema = parameter_schema(flows.api_to_postgres.fn)
    assert schema.definitions["Dataset"]["enum"] == ["yellow", "green", "fhv", "fhvhv"]
    assert schema.properties["month"]["pattern"].startswith("^20")
    assert "zero_distance" in schema.properties["drop_rules"]["items"]["enum"]
    assert schema.required == ["dataset", "month"]
