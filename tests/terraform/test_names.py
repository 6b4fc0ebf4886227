"""Every attribute and block in deployments/terraform is one that Google's provider has, where it has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.terraform.configuration import declared, used_types
from tests.terraform.extract import SCHEMA_FILE

META = {
    "count",
    "for_each",
    "depends_on",
    "lifecycle",
    "provider",
    "__is_block__",
    "__comments__",
    "__inline_comments__",
}
SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
DECLARED = [
    pytest.param(kind, type_, body, id=f"{type_}.{name}")
    for kind in ("resource", "data")
    for type_, name, body in declared(kind)
    if type_.startswith("google_")
]


def objections(body: dict[str, Any], schema: dict[str, Any], place: str) -> Iterator[str]:
    """What the provider would not take: unknown names, and required ones that are missing."""
    given = {name: value for name, value in body.items() if name not in META and name != "dynamic"}
    for dynamic in body.get("dynamic", []):
        for name, described in dynamic.items():
            given[name.strip('"')] = described["content"]
    for name, value in given.items():
        if name in schema["attributes"]:
            if schema["attributes"][name].get("computed"):
                yield f"{place}.{name} is the provider's to set"
        elif name in schema["blocks"]:
            for block in value if isinstance(value, list) else [value]:
                yield from objections(block, schema["blocks"][name], f"{place}.{name}")
        else:
            yield f"{place}.{name} is unknown"
    for name, described in (schema["attributes"] | schema["blocks"]).items():
        if described.get("required") and name not in given:
            yield f"{place}.{name} is missing"


@pytest.mark.parametrize(("kind", "type_", "body"), DECLARED)
def test_provider_takes_the_names(kind: str, type_: str, body: dict[str, Any]) -> None:
    assert list(objections(body, SCHEMA[kind][type_], type_)) == []


def test_a_wrong_name_and_a_missing_one_are_seen() -> None:
    wrong = {"name": "x", "lifecycle_rule": [{"action": [{"kind": "Delete"}], "condition": [{"age": 1}]}]}
    assert list(objections(wrong, SCHEMA["resource"]["google_storage_bucket"], "bucket")) == [
        "bucket.lifecycle_rule.action.kind is unknown",
        "bucket.lifecycle_rule.action.type is missing",
        "bucket.location is missing",
    ]


def test_schema_has_just_the_types_in_use() -> None:
    assert {kind: set(SCHEMA[kind]) for kind in ("resource", "data")} == used_types("google")
