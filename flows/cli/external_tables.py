"""Query the lake without loading it: ``python -m flows.cli.external_tables green`` makes ``green_trips_lake``.

In BigQuery an external table over the day folders of the layout ``partitioned``, in a DuckDB file a view. Months that
are written later are in it without another run; a new column needs one. Requires: the blocks ``tlc-lake`` and
``tlc-warehouse``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from flows.tasks.connect import open_lake, open_warehouse
from flows.tlc.dataset import Dataset


def create_external_tables(datasets: Sequence[Dataset]) -> list[str]:
    """Make the table over the lake for each dataset; returns their names. Raises TargetError and its kin."""
    lake, warehouse = open_lake(), open_warehouse()
    return [warehouse.create_lake_table(dataset, lake.url) for dataset in datasets]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m flows.cli.external_tables", description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="+", choices=list(Dataset), type=Dataset)
    for name in create_external_tables(parser.parse_args(arguments).dataset):
        print(name)  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
