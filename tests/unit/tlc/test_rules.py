"""The rules, as data: sound, described, and enough."""

from __future__ import annotations

from typing import get_args

from flows.tlc.column import Role
from flows.tlc.dataset import Dataset
from flows.tlc.rules import UNLOADABLE, Test, rules, rules_for
from flows.tlc.schema import schema_of


def test_every_rule_has_a_known_test_known_roles_and_a_meaning() -> None:
    for rule in rules():
        assert rule.test in get_args(Test), rule.name
        assert set(rule.roles) <= set(get_args(Role)), rule.name
        assert rule.description.endswith((".", ".)")), rule.name
        assert (rule.value is not None) == (rule.test in ("below", "above", "equal")), rule.name


def test_no_rule_has_the_name_of_what_cannot_be_loaded_at_all() -> None:
    assert not {rule.name for rule in rules()} & set(UNLOADABLE)


def test_every_rule_applies_to_some_dataset() -> None:
    applied = {rule.name for dataset in Dataset for rule in rules_for(schema_of(dataset))}
    assert applied == {rule.name for rule in rules()}
