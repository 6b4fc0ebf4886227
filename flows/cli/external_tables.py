"""``external-tables``: query the lake without loading it."""

from __future__ import annotations

from typing import Annotated

import typer

from blocks.names import LAKE, WAREHOUSE
from flows import parameters
from flows.cli import options
from flows.cli.run import blocks_read
from flows.cli.terminal import answering
from flows.tlc.dataset import Dataset

LakeDatasets = Annotated[list[Dataset], typer.Argument(help=options.help_of(parameters.DatasetNames))]


def external_tables(
    datasets: LakeDatasets,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Make tables over the lake, such as green_trips_lake, for queries without a load; again after a new column.

    They need the layout partitioned: in BigQuery external tables over its day folders, in a DuckDB file views.
    """
    with answering(as_json=as_json, debug=debug) as terminal, blocks_read(terminal, LAKE, WAREHOUSE):
        from flows.tasks.connect import open_lake, open_warehouse  # noqa: PLC0415 - Prefect takes two seconds

        lake, warehouse = open_lake(), open_warehouse()
        tables = [warehouse.create_lake_table(dataset, lake.url) for dataset in datasets]
        terminal.show(*tables)
        terminal.answer({"tables": tables})
