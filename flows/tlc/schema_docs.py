"""Writes ``docs/schema.md`` from the schema files: ``python -m flows.tlc.schema_docs > docs/schema.md``.

With ``--check`` it writes nothing and fails if the document is not what it would write.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from flows.tlc.codes import code_tables
from flows.tlc.column import Column, folded
from flows.tlc.dataset import Dataset, dataset_info
from flows.tlc.document import markdown_table, write_or_check
from flows.tlc.locations import CODES_FOLDER, SCHEMA, trips_table
from flows.tlc.schema import Schema, schema_of, zones

DOCUMENT = Path(__file__).parents[2] / "docs" / "schema.md"

_INTRODUCTION = """\
# Columns

Every column of every table. Names are the same in Postgres, in the lake and in the warehouse.
Written by `python -m flows.tlc.schema_docs > docs/schema.md` from the files in `flows/tlc/schemas/`: change those.
"""

_COLUMNS = """\
## Columns

*In* names the datasets that have the column, and the first (*since*) or last (*until*) file month with values in it.
*At the source* lists the names there, if they are not the column's own; blanks around a name, upper and lower case
make no difference. Times are New York wall-clock times without a zone. Taxi zones are numbered {first} to {last}:
{unknown} is unknown, {outside} outside New York City; their names are in `{schema}.zones`.
"""

_NAMES = """\
## Zones and codes

In Postgres and the warehouse as `{schema}.<table>`, in the lake as `{folder}<table>.parquet`: `zones` with
{zones}, and the tables named below with `code` and `name`.
Each load brings them up to date, the warehouse's to the lake's. The mirror has no zones.
"""

_HEADER = ["Column", "Type (Postgres / BigQuery), unit", "In", "At the source", "Meaning"]

# The columns of one name, type, unit and meaning, by dataset.
Alike = dict[Dataset, Column]


def schema_document() -> str:
    """The whole document, as Markdown that ends with a line break."""
    schemas = {dataset: schema_of(dataset) for dataset in Dataset}
    tables = markdown_table(
        ["Table", "Trips", "Columns, in this order"], [_table_row(schema) for schema in schemas.values()]
    )
    columns = [_column_row(alike) for alike in _alike(schemas)]
    parts = [
        _INTRODUCTION,
        tables + "\n",
        _COLUMNS.format(**vars(zones()), schema=SCHEMA),
        markdown_table(_HEADER, columns) + "\n",
        _NAMES.format(schema=SCHEMA, folder=CODES_FOLDER, zones=_names(code_tables()[0].names)),
        "\n\n".join(_codes_part(name, columns) for name, columns in _coded(schemas).items()),
    ]
    return "\n".join(parts) + "\n"


def _table_row(schema: Schema) -> list[str]:
    info = dataset_info(schema.dataset)
    names = _names([column.name for column in schema.columns]) + "."
    if schema.ignored:
        names += f" Left out: {_names(schema.ignored)}."
    for one, other in schema.ignored_beside.items():
        names += f" Left out of a file that has `{other}` too: `{one}`."
    return [f"`{SCHEMA}.{trips_table(schema.dataset)}`", f"{info.title}. {info.description}", names]


def _alike(schemas: dict[Dataset, Schema]) -> list[Alike]:
    found: dict[tuple[object, ...], Alike] = {}
    for dataset, schema in schemas.items():
        for column in schema.columns:
            found.setdefault((column.name, _type(column), column.description), {})[dataset] = column
    return list(found.values())


def _coded(schemas: dict[Dataset, Schema]) -> dict[str, list[Column]]:
    found: dict[str, list[Column]] = {}
    for schema in schemas.values():
        for column in schema.columns:
            if column.meanings:
                found.setdefault(column.name, []).append(column)
    return found


def _column_row(alike: Alike) -> list[str]:
    column = next(iter(alike.values()))
    return [f"`{column.name}`", _type(column), _places(alike), _source_names(alike), column.description]


def _type(column: Column) -> str:
    return ", ".join(
        [
            f"{column.postgres} / {column.bigquery}",
            *(["not null"] if column.required else []),
            *([column.unit] if column.unit else []),
        ]
    )


def _places(alike: Alike) -> str:
    """The datasets, and the months if they differ from all: ``yellow (since 2011-01), green``."""
    months = {dataset: _months(column) for dataset, column in alike.items()}
    if len(set(months.values())) > 1:
        return ", ".join(dataset + (f" ({bounds})" if bounds else "") for dataset, bounds in months.items())
    datasets = "all" if len(alike) == len(Dataset) else ", ".join(alike)
    bounds = next(iter(months.values()))
    return f"{datasets}: {bounds}" if bounds else datasets


def _months(column: Column) -> str:
    since = [f"since {column.since}"] if column.since else []
    return ", ".join(since + ([f"until {column.until}"] if column.until else []))


def _source_names(alike: Alike) -> str:
    """Each name, and the dataset if not all of these datasets have it."""
    datasets: dict[str, list[Dataset]] = {}
    shown: dict[str, str] = {}
    for dataset, column in alike.items():
        for name in column.source_names:
            datasets.setdefault(folded(name), []).append(dataset)
            shown.setdefault(folded(name), name)
    own = next(iter(alike.values())).name
    if list(datasets) == [own]:
        return ""
    return ", ".join(
        f"`{shown[name]}`" + ("" if len(having) == len(alike) else f" ({', '.join(having)})")
        for name, having in datasets.items()
    )


def _codes_part(name: str, columns: list[Column]) -> str:
    meanings: dict[str, str] = {}
    older: dict[str, list[str]] = {}
    for column in columns:
        meanings |= column.meanings
        for text, code in {**column.text_codes, **column.text_values}.items():
            older.setdefault(str(code), []).append(text)
    table = next((f" in `{table.name}`" for table in code_tables() if table.names_of == name), "")
    header = [f"`{name}`{table}", "Meaning"] + (["Also written as"] if older else [])
    rows = [[code, meaning, _names(list(dict.fromkeys(older.get(code, ()))))] for code, meaning in meanings.items()]
    return markdown_table(header, [row[: len(header)] for row in rows])


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main(arguments: list[str]) -> int:
    """Write the document to stdout, or with ``--check`` compare it; returns the exit code."""
    return write_or_check(arguments, DOCUMENT, schema_document(), "flows.tlc.schema_docs")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
