"""The arguments and options that commands share. Their help is that of the flows' parameters: written once, there."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import typer

from flows import parameters
from flows.tlc.dataset import Dataset, Source
from flows.tlc.identity import NewColumns as NewColumnsName
from flows.tlc.month import Month
from flows.tlc.report import TARGETS, Target
from flows.tlc.rules import rules


def help_of(parameter: Any) -> str:
    """What a parameter's form says beside it."""
    found = (getattr(part, "json_schema_extra", None) for part in get_args(parameter)[1:])
    return next(str(extra["description"]) for extra in found if extra)


def checked_month(text: str | None) -> str | None:
    """The month, in its form; wrong usage if it is none."""
    if text is None:
        return None
    try:
        return str(Month.parse(text))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def known_targets(names: list[str]) -> list[str]:
    """The names, as they were given; wrong usage if one is no target."""
    for name in names:
        if name not in TARGETS:
            raise typer.BadParameter(f"{name!r} is no target: choose from {', '.join(TARGETS)}.")
    return names


def chosen_targets(names: list[str]) -> list[Target]:
    """The targets of these names, each once, in the order of loading."""
    return [target for target in TARGETS if target in names]


def _known_rules(names: list[str]) -> list[str]:
    known = [rule.name for rule in rules()]
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"{name!r} is no rule: choose from {', '.join(known)}.")
    return names


def month_option(parameter: Any) -> Any:
    """An option that takes a month, with the help of ``parameter``."""
    return month_option_saying(help_of(parameter))


def month_option_saying(sentence: str) -> Any:
    """An option that takes a month, with a help of its own."""
    return typer.Option(help=sentence, metavar="YYYY-MM", callback=checked_month, show_default=False)


DatasetArgument = Annotated[Dataset, typer.Argument(help=help_of(parameters.DatasetName), metavar="DATASET")]
MonthArgument = Annotated[
    str | None,
    typer.Argument(
        help=help_of(parameters.NewestMonthName), metavar="[YYYY-MM]", callback=checked_month, show_default=False
    ),
]
DatasetArguments = Annotated[
    list[Dataset] | None,
    typer.Argument(help=f"{help_of(parameters.DatasetNames)} None: all of them.", show_default=False),
]
StartMonth = Annotated[str | None, month_option(parameters.FirstMonth)]
EndMonth = Annotated[str | None, month_option(parameters.LastMonth)]
Targets = Annotated[
    list[str],
    typer.Option(
        "--target",
        "-t",
        help=f"{help_of(parameters.TargetNames)} Give it once for each of several.",
        metavar="|".join(TARGETS),
        callback=known_targets,
    ),
]
FromSource = Annotated[Source, typer.Option(help=help_of(parameters.SourceName))]
LayoutOption = Annotated[parameters.LayoutName, typer.Option(help=help_of(parameters.LayoutChoice))]
DropRules = Annotated[
    list[str],
    typer.Option(
        "--drop-rule",
        help=f"{help_of(parameters.DropRules)} Give it once for each of several: {', '.join(r.name for r in rules())}.",
        metavar="RULE",
        callback=_known_rules,
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", help=help_of(parameters.Force))]
NewColumns = Annotated[NewColumnsName, typer.Option(help=help_of(parameters.NewColumnsChoice))]
MaxParallel = Annotated[
    int | None, typer.Option(min=1, max=32, help=help_of(parameters.MaxParallel), show_default=False)
]
BuildModels = Annotated[bool, typer.Option("--models", help=help_of(parameters.BuildModels))]
DaskAddress = Annotated[str | None, typer.Option(help=help_of(parameters.DaskAddress), show_default=False)]

AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout instead of tables.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Write the run's log to stderr, as Prefect's UI shows it.")
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Write everything to stderr, and the traceback if something fails.")
]
