"""Each command and option says what it is for, and each parameter of a flow can be given on the command line."""

from __future__ import annotations

import inspect

import pytest
import typer
from typer.main import get_command

import flows
from flows.cli import docs
from flows.cli.app import app

GROUP = get_command(app)
COMMANDS = {name: context.command for name, context in docs.commands_of(GROUP, typer.Context(GROUP))}
# The flow that a command runs, or whose plan it makes.
FLOW_OF = {
    "load": "load_month",
    "backfill": "backfill",
    "plan": "backfill",
    "sync": "sync_new_months",
    "reconcile": "reconcile",
    "models build": "build_models",
    "report": "report",
    "step": "run_step",
}
# Parameters of those flows that the command has no option for, and why.
LEFT_OUT = {
    ("backfill", "plan_only"): "the command plan does that, without a run",
    ("plan", "plan_only"): "it does nothing else",
    ("plan", "max_parallel"): "a plan loads nothing",
    ("plan", "run_on"): "a plan loads nothing",
    ("plan", "dask_address"): "a plan loads nothing",
    ("plan", "models"): "a plan builds nothing",
}


def test_every_flow_that_loads_or_compares_has_its_command() -> None:
    # One target alone is load --target; the homework and streams are not a part of keeping months complete.
    without = {"api_to_postgres", "api_to_gcs", "gcs_to_bigquery", "green_taxi_etl"}
    without |= {"replay_trips", "stream_to_postgres", "reconcile_stream"}
    assert set(flows.__all__) - without == set(FLOW_OF.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_argument_and_option_has_help(name: str) -> None:
    command = COMMANDS[name]
    assert len(command.help or "") > 60
    context = typer.Context(command, info_name=name)
    for parameter in command.get_params(context):
        assert len(getattr(parameter, "help", None) or "") > 15, f"{name} {parameter.name} has no help"
        assert parameter.get_help_record(context), f"{name} {parameter.name} is hidden"


@pytest.mark.parametrize("name", FLOW_OF)
def test_every_parameter_of_the_flow_has_its_option_with_the_same_default(name: str) -> None:
    given = inspect.signature(getattr(flows, FLOW_OF[name]).fn).parameters
    offered = inspect.signature(COMMANDS[name].callback).parameters
    for parameter in given.values():
        if (name, parameter.name) in LEFT_OUT:
            assert parameter.name not in offered
            continue
        assert parameter.name in offered, f"{name} has no option for {parameter.name}"
        if (name, parameter.name) not in (("sync", "datasets"), ("step", "target")):  # all of them; Postgres
            assert offered[parameter.name].default == parameter.default, parameter.name


def test_the_document_is_what_the_help_says() -> None:
    assert docs.DOCUMENT.read_text(encoding="utf-8") == docs.command_document()
    assert docs.main(["--check"]) == 0
    for name, command in COMMANDS.items():
        assert f"## {name}\n" in docs.command_document()
        assert str(command.help).splitlines()[0] in docs.command_document()
