"""What the deployments' forms refuse beyond single parameters: unknown ones, and months that the source can never have.

A flow's parameters become a schema one by one, so that ``prefect deploy`` cannot say this. That the last month is not
before the first no schema can say: such a run fails at once, with a sentence.
"""

from __future__ import annotations

from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate

from deployments.server.declared import declared_deployments
from flows.parameters import told_in_words
from flows.tlc.dataset import Dataset, Source, dataset_info
from flows.tlc.month import Month

_MONTHS = ("month", "start_month", "end_month")
_FIRST_YEAR, _LAST_YEAR = 2000, 2099  # of what a form takes as a month


def add_form_rules() -> None:
    """Add them to each deployment."""
    with get_client(sync_client=True) as client:
        for name in declared_deployments():
            deployment = client.read_deployment_by_name(f"{name}/{name}")
            wanted = with_form_rules(deployment.parameter_openapi_schema or {})
            client.update_deployment(deployment.id, DeploymentUpdate(parameter_openapi_schema=wanted))


def with_form_rules(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a flow's parameters that takes no others, with a rule for each dataset and source it may have."""
    properties = schema.get("properties", {})
    rules = {"allOf": _month_rules(properties)} if {"dataset", "source"} <= set(properties) else {}
    return {**schema, **rules, "additionalProperties": False}


def _month_rules(properties: dict[str, Any]) -> list[dict[str, Any]]:
    months = [name for name in _MONTHS if name in properties]
    default = properties["source"].get("default")
    return [
        {
            "if": {
                "properties": {"dataset": {"const": str(dataset)}, "source": {"const": str(source)}},
                "required": ["dataset", *(["source"] if source != default else [])],
            },
            "then": {"properties": {name: _span_rule(dataset, source) for name in months}},
        }
        for dataset in Dataset
        for source in Source
    ]


def _span_rule(dataset: Dataset, source: Source) -> dict[str, Any]:
    first, last = dataset_info(dataset).span(source)
    words = f"a month from {first} to {last}" if last else f"a month from {first} on"
    return told_in_words(_outside(first, last), f"{words}, which {source} has of {dataset}", instead=False)


def _outside(first: Month, last: Month | None) -> str:
    """A pattern of the months before the first and after the last."""
    parts = [str(year) for year in range(_FIRST_YEAR, first.year)]
    parts += [str(Month(first.year, number)) for number in range(1, first.number)]
    if last is not None:
        parts += [str(Month(last.year, number)) for number in range(last.number + 1, 13)]
        parts += [str(year) for year in range(last.year + 1, _LAST_YEAR + 1)]
    return f"^({'|'.join(parts)})"
