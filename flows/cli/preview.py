"""``preview``: a month as it would be loaded, without loading it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from blocks.names import MIRROR_SOURCE, TLC_SOURCE
from flows import parameters
from flows.cli import options
from flows.cli.exit_codes import ExitCode
from flows.cli.progress import progress_shown
from flows.cli.run import blocks_read
from flows.cli.terminal import Terminal, answering
from flows.tlc.dataset import Dataset, Source
from flows.tlc.errors import ParameterError
from flows.tlc.identity import MonthRequest, NewColumns
from flows.tlc.locations import month_of_file
from flows.tlc.month import Month, newest_month

DatasetOrNone = Annotated[
    Dataset | None,
    typer.Argument(
        help=f"{options.help_of(parameters.DatasetName)} With --file: as its name says.", show_default=False
    ),
]
TripFile = Annotated[
    Path | None,
    typer.Option(
        help="A file on this machine instead of the source's: Parquet, CSV or CSV.gz.",
        exists=True,
        dir_okay=False,
        readable=True,
        show_default=False,
    ),
]
Rows = Annotated[int, typer.Option(min=1, help="How many rows to read, from the file's beginning.")]
AllRows = Annotated[bool, typer.Option("--all-rows", help="Read the whole file, whatever --rows says.")]
Head = Annotated[int, typer.Option(min=0, help="How many rows to show.")]
FromCache = Annotated[
    bool, typer.Option("--offline", help="Do not ask the source: take the version that the cache has.")
]


def preview(
    dataset: DatasetOrNone = None,
    month: options.MonthArgument = None,
    source: options.FromSource = Source.tlc,
    file: TripFile = None,
    rows: Rows = 200_000,
    all_rows: AllRows = False,
    head: Head = 4,
    drop_rules: options.DropRules = [],  # noqa: B006 - never changed
    new_columns: options.NewColumns = "fail",
    offline: FromCache = False,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Show a month as it would be loaded, without loading it: first rows, what each column holds, what is odd.

    The file comes from the cache if that has the source's version, else it is downloaded into it, where a load finds
    it. With --file nothing is downloaded and nobody is asked. No Prefect server is needed: if PREFECT_API_URL is
    not set, a block that was never saved is made from the environment.
    """
    with answering(as_json=as_json, debug=debug) as terminal:
        if file is not None:
            request = _request_of(file, dataset, month, source, drop_rules, new_columns)
            path, where = file, str(file)
        else:
            request = _request(dataset, month, source, drop_rules, new_columns)
            path, where = _from_source(terminal, request, offline=offline)
        from flows.cli.show_preview import show_preview  # noqa: PLC0415 - Arrow and pandas take a second
        from flows.preview.preview import preview_file  # noqa: PLC0415

        with progress_shown(terminal):
            seen = preview_file(path, request, rows=None if all_rows else rows, head=head, is_verified=file is None)
        show_preview(terminal, seen, request, where)
        if seen.would_fail:
            terminal.fail(f"{request.dataset} {request.month}: {seen.would_fail}")
            raise typer.Exit(ExitCode.failed)


def _request(
    dataset: Dataset | None,
    month: str | None,
    source: Source,
    drop_rules: list[str],
    new_columns: NewColumns,
) -> MonthRequest:
    if dataset is None:
        raise ParameterError("which month? For example: python -m flows preview green 2020-10; or give --file.")
    month = month or str(newest_month(datetime.now(UTC)))
    return parameters.month_request(dataset, month, source, drop_rules, new_columns)


def _request_of(
    file: Path,
    dataset: Dataset | None,
    month: str | None,
    source: Source,
    drop_rules: list[str],
    new_columns: NewColumns,
) -> MonthRequest:
    """What the file is taken for: what was given, else what its name says."""
    named = month_of_file(file.name)
    if named is not None:
        chosen = (dataset or named[0], Month.parse(month) if month else named[1])
    elif dataset is not None and month is not None:
        chosen = (dataset, Month.parse(month))
    else:
        raise ParameterError(
            f"{file.name} does not say which month it is, as green_tripdata_2020-10.csv.gz does. Give both: "
            f"python -m flows preview green 2020-10 --file {file}"
        )
    return MonthRequest(*chosen, source, frozenset(drop_rules), new_columns)


def _from_source(terminal: Terminal, request: MonthRequest, *, offline: bool) -> tuple[Path, str]:
    """The month's file on disk, and where it is from; ends the command if it is not published."""
    block = MIRROR_SOURCE if request.source is Source.mirror else TLC_SOURCE
    with blocks_read(terminal, block):
        from flows.tasks.local_file import cached_month, fetch_month, url_of  # noqa: PLC0415 - Prefect takes two seconds

        with progress_shown(terminal):
            found = cached_month(request) if offline else fetch_month(request)
    if found is None:
        terminal.fail(f"{request.dataset} {request.month} is not published yet: {url_of(request)} is not there.")
        raise typer.Exit(ExitCode.not_published)
    return found, url_of(request)
