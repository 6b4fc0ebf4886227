"""``query`` and ``export``: what is loaded, as a table, or as a file of CSV, JSON or Parquet. Both only read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from blocks.names import LAKE, POSTGRES, WAREHOUSE
from flows import parameters
from flows.cli import options
from flows.cli.row_output import FormatName, format_of, write_rows
from flows.cli.run import blocks_read
from flows.cli.terminal import Terminal, answering
from flows.tlc.dataset import Dataset
from flows.tlc.errors import ParameterError
from flows.tlc.month import Month, months_between
from flows.tlc.report import QueryTarget, Target

if TYPE_CHECKING:
    from flows.cli.row_formats import FileFormat

_BLOCKS = {"postgres": (POSTGRES,), "warehouse": (WAREHOUSE, LAKE), "lake": (LAKE,)}
# What the flows call the target whose ledger it is.
_LEDGERS: dict[QueryTarget, Target] = {"postgres": "postgres", "warehouse": "bigquery", "lake": "gcs"}
_GIB = 1024**3

Sql = Annotated[
    str,
    typer.Argument(
        help="One SELECT in the target's SQL, over tlc.green_trips and the other tables of docs/schema.md; the lake "
        "takes DuckDB's.",
        metavar="SQL",
    ),
]
From = Annotated[QueryTarget, typer.Option("--target", "-t", help="Where to ask: Postgres, the warehouse or the lake.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="A file instead of stdout, replaced when all rows are in a new one.", show_default=False
    ),
]
OutputFile = Annotated[
    Path, typer.Option("--output", "-o", help="The file: .csv, .json or .parquet. It appears whole, or not at all.")
]
Format = Annotated[
    FormatName | None,
    typer.Option(
        "--format",
        help="By default as the file's name ends; without a file, a table on a terminal, else CSV. A table has the "
        "first 100 rows.",
        show_default=False,
    ),
]
MaxGib = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        help="GiB that BigQuery may bill for the query, instead of the block's limit. It is asked before it bills.",
        show_default=False,
    ),
]
Raw = Annotated[
    bool,
    typer.Option(
        "--raw",
        help="Write texts to CSV as they are. By default those that begin with =, +, -, @, a tab or a line break get "
        "an apostrophe in front, since spreadsheets run them as formulas.",
    ),
]
FirstMonth = Annotated[str | None, options.month_option_saying("The first month; none: the first that is loaded.")]
LastMonth = Annotated[str | None, options.month_option_saying("The last month; none: the last that is loaded.")]
Columns = Annotated[
    str | None, typer.Option(help="Columns, with commas between; none: all of docs/schema.md.", show_default=False)
]
Where = Annotated[
    str | None,
    typer.Option(help="A condition in the target's SQL, as in: trip_distance > 10.", metavar="SQL", show_default=False),
]


def query(
    sql: Sql,
    target: From = "postgres",
    file_format: Format = None,
    output: Output = None,
    max_gib: MaxGib = None,
    raw: Raw = False,
    debug: options.Debug = False,
) -> None:
    """Ask what is loaded: one SELECT, whose rows come as a table, CSV, JSON or Parquet.

    The session only reads, and rows are streamed: of a file as large as the disk allows, memory has a batch. Needs no
    Prefect server: if PREFECT_API_URL is not set, a block that was never saved is made from the environment.
    """
    with answering(debug=debug) as terminal:
        chosen = format_of(terminal, file_format, output)
        with blocks_read(terminal, *_BLOCKS[target]):
            from flows.tasks.query import open_query  # noqa: PLC0415 - Prefect takes two seconds

            with open_query(target, sql, max_bytes=_bytes(max_gib)) as rows:
                if chosen == "table":
                    from flows.cli.show_rows import show_rows  # noqa: PLC0415

                    show_rows(terminal, rows)
                else:
                    write_rows(terminal, rows, chosen, output, raw=raw)


def export(
    dataset: options.DatasetArgument,
    output: OutputFile,
    start_month: FirstMonth = None,
    end_month: LastMonth = None,
    columns: Columns = None,
    where: Where = None,
    target: From = "postgres",
    max_gib: MaxGib = None,
    raw: Raw = False,
    debug: options.Debug = False,
) -> None:
    """Write a dataset's trips into a file: the months, columns and rows that are asked for.

    Streams like query, in a session that only reads. Months of the range that the target does not have are named on
    stderr.
    """
    with answering(debug=debug) as terminal:
        chosen = cast("FileFormat", format_of(terminal, None, output))
        first, last = parameters.month_or_none(start_month), parameters.month_or_none(end_month)
        parameters.check_order(first, last)
        names = [name.strip() for name in (columns or "").split(",") if name.strip()]
        with blocks_read(terminal, *_BLOCKS[target]):
            from flows.tasks.query import export_query, open_query  # noqa: PLC0415 - Prefect takes two seconds

            sql = export_query(target, dataset, names, first, last, where)
            _say_what_lacks(terminal, dataset, _LEDGERS[target], first, last)

            def in_range(month: Month) -> bool:
                return (first is None or first <= month) and (last is None or month <= last)

            with open_query(target, sql, max_bytes=_bytes(max_gib), in_range=in_range) as rows:
                write_rows(terminal, rows, chosen, output, raw=raw)


def _say_what_lacks(
    terminal: Terminal, dataset: Dataset, target: Target, first: Month | None, last: Month | None
) -> None:
    """Name the months of the range that the target does not have, or not whole."""
    from flows.tasks.plan import loaded_months  # noqa: PLC0415 - Prefect takes two seconds

    with terminal.waiting("Reading which months are loaded …"):
        loaded = loaded_months(dataset, [target])[target]
    if not loaded:
        raise ParameterError(f"no month of {dataset} trips is loaded into {target}: load some first.")
    months = months_between(first or Month.parse(min(loaded)), last or Month.parse(max(loaded)))
    lacking = [str(one) for one in months if str(one) not in loaded or not loaded[str(one)].is_intact]
    if lacking:
        terminal.note(f"Not in {target}, and so not in the file: {dataset} {', '.join(lacking)}.")


def _bytes(gib: float | None) -> int | None:
    return None if gib is None else int(gib * _GIB)
