"""A step's header, and its values where there are no settings."""

from __future__ import annotations

import pytest

from flows.decide.step import read_step, with_values
from flows.tlc.errors import ParameterError


@pytest.mark.parametrize("mark", ["--", "#"])
def test_header_is_the_same_in_each_language(mark: str) -> None:
    keys = (
        "target: postgres, bigquery",
        "reads: tlc.a, tlc.b",
        "writes: steps/x/",
        "parameters: dataset=green, limit=",
    )
    text = "\n".join(["", f"{mark} What it is.", *(f"{mark} {key}" for key in keys), "code", f"{mark} reads: tlc.c"])
    step = read_step("x.sql", text)
    assert (step.targets, step.reads, step.writes) == (("postgres", "bigquery"), ("tlc.a", "tlc.b"), ("steps/x/",))
    assert step.parameters == {"dataset": "green", "limit": ""}
    assert not step.writes_tables
    assert read_step("x.sql", f"{mark} target: postgres\n{mark} writes: steps/x/, lab.fares").writes_tables


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("select 1", "x.sql needs a comment at its top as in: target: postgres, bigquery"),
        ("-- target: oracle", "x.sql needs a comment at its top"),
        ("-- target: postgres\n-- parameters: month", "has a parameter month: write name=default"),
        ("-- target: postgres\n-- parameters: a='; drop", "has a parameter a='; drop"),
        ("-- target: postgres\n-- writes: nothing", "writes nothing, which is neither schema.table nor a folder"),
        ("-- target: postgres\n-- writes: lab.a, steps", "writes steps, which is neither"),
    ],
)
def test_what_a_header_lacks_is_told(text: str, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        read_step("x.sql", text)


def test_settings_become_literals_and_no_others_do() -> None:
    sql = "select current_setting('tlc.month'), Current_Setting ( 'tlc.a' ), current_setting('tlc.b')"
    assert with_values(sql, {"month": "2020-12", "a": "x"}) == "select '2020-12', 'x', current_setting('tlc.b')"
