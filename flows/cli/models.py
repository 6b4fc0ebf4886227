"""``models build``, ``models preview`` and ``models docs``: the answers that dbt makes from the trips."""

from __future__ import annotations

from typing import Annotated

import typer

from blocks.names import POSTGRES, WAREHOUSE
from flows import parameters
from flows.cli import options
from flows.cli.exit_codes import ExitCode
from flows.cli.run import before_prefect, blocks_read, run_flow
from flows.cli.terminal import answering
from flows.decide.models import ModelsTarget

models = typer.Typer(
    help="The models: answers that dbt makes from the trips, in Postgres or in the warehouse.", no_args_is_help=True
)

Target = Annotated[
    ModelsTarget,
    typer.Option("--target", "-t", help=options.help_of(parameters.ModelsTargetName), metavar="postgres|bigquery"),
]
StartMonth = Annotated[str | None, options.month_option(parameters.FirstLoadedMonth)]
EndMonth = Annotated[str | None, options.month_option(parameters.LastLoadedMonth)]
Select = Annotated[str | None, typer.Option(help=options.help_of(parameters.SelectedModels), show_default=False)]
FullRefresh = Annotated[bool, typer.Option("--full-refresh", help=options.help_of(parameters.FullRefresh))]
ModelName = Annotated[str, typer.Argument(help="The model's name, such as daily_trips.", metavar="NAME")]
Month = Annotated[
    list[str],
    typer.Option(
        "--month",
        help="A file month that the model is to be of. Give it once for each of several; none: all that are loaded.",
        metavar="YYYY-MM",
        callback=lambda months: [options.checked_month(month) for month in months],
        show_default=False,
    ),
]


@models.command()
def build(
    target: Target = "postgres",
    start_month: StartMonth = None,
    end_month: EndMonth = None,
    select: Select = None,
    full_refresh: FullRefresh = False,
    as_json: options.AsJson = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Build and test the models for the months that changed since they were built last.

    Needs dbt: make models. Runs the flow build-models.
    """
    with answering(as_json=as_json, verbose=verbose, debug=debug) as terminal:
        before_prefect(terminal)
        from flows.build_models import build_models as flow  # noqa: PLC0415 - seconds that only this command needs
        from flows.cli.show_models import show_models  # noqa: PLC0415

        report, error = run_flow(terminal, flow, locals())
        show_models(terminal, report)
        if error is not None:
            terminal.fail(str(error))
            raise typer.Exit(ExitCode.failed)


@models.command()
def preview(
    name: ModelName,
    months: Month = [],  # noqa: B006 - never changed
    target: Target = "postgres",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Show the first rows of a model and how many there are, without building it.

    Only the views that it reads are made. Needs dbt: make models. It needs no Prefect server.
    """
    with answering(as_json=as_json, debug=debug) as terminal, blocks_read(terminal, POSTGRES, WAREHOUSE):
        from flows.cli.show_models import show_preview  # noqa: PLC0415 - Prefect takes two seconds
        from flows.tasks.models import preview_model  # noqa: PLC0415

        with terminal.waiting(f"dbt runs {name} …"):
            answer = preview_model(target, name, months)
        show_preview(terminal, name, answer)


@models.command()
def docs(target: Target = "postgres", as_json: options.AsJson = False, debug: options.Debug = False) -> None:
    """Write dbt's page of the models, one file that needs no internet, and say where it is. Needs dbt: make models."""
    with answering(as_json=as_json, debug=debug) as terminal, blocks_read(terminal, POSTGRES, WAREHOUSE):
        from flows.tasks.models import write_models_docs  # noqa: PLC0415 - Prefect takes two seconds

        with terminal.waiting("dbt reads the models' tables …"):
            page = write_models_docs(target)
        terminal.show(str(page))
        terminal.answer({"page": str(page)})
