"""Writes ``docs/schema.md`` from the schema files: ``python -m flows.tlc.schema_docs > docs/schema.md``.

With ``--check`` it writes nothing and fails where the document is not what it would write.
"""

from __future__ import annotations

import sys
from pathlib import Path

from flows.tlc.column import Column
from flows.tlc.dataset import Dataset, dataset_info
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.schema import Schema, schema_of, zones

DOCUMENT = Path(__file__).parents[2] / "docs" / "schema.md"

_INTRODUCTION = """\
# Columns

Every column of every table: in Postgres, in the lake and in the warehouse they have the same names, in this order.
Written by `python -m flows.tlc.schema_docs > docs/schema.md` from the files in `flows/tlc/schemas/`: change those.

*Since* is the first file month that can have a value in the column, or the last one after *until*. *At the source*
are the names that the column has had there; blanks around a name and upper or lower case make no difference.
Times are New York wall-clock times without a zone. Taxi zones are numbered {first} to {last}: {unknown} is unknown,
{outside} outside New York City; their names are in `{schema}.zones`."""

_HEADER = ["Column", "Type (Postgres / BigQuery)", "Unit", "Since", "At the source", "Meaning"]


def schema_document() -> str:
    """The whole document, as Markdown that ends with a line break."""
    introduction = _INTRODUCTION.format(**vars(zones()), schema=SCHEMA)
    return "\n\n".join([introduction, *(_dataset_part(schema_of(dataset)) for dataset in Dataset)]) + "\n"


def _dataset_part(schema: Schema) -> str:
    info = dataset_info(schema.dataset)
    parts = [
        f"## {info.title}: `{SCHEMA}.{trips_table(schema.dataset)}`",
        info.description,
        _table(_HEADER, [_column_row(column) for column in schema.columns]),
    ]
    if schema.ignored:
        parts.append(f"Left out on purpose: {_names(schema.ignored)}.")
    for one, other in schema.ignored_beside.items():
        parts.append(f"Left out of a file that has `{other}` too: `{one}`.")
    parts += [_codes_part(column) for column in schema.columns if column.meanings]
    return "\n\n".join(parts)


def _column_row(column: Column) -> list[str]:
    since = " ".join([str(column.since or ""), f"until {column.until}" if column.until else ""]).strip()
    types = f"{column.postgres} / {column.bigquery}" + (", not null" if column.required else "")
    return [f"`{column.name}`", types, column.unit or "", since, _names(column.source_names), column.description]


def _codes_part(column: Column) -> str:
    others: dict[str, list[str]] = {}
    for text, code in {**column.text_codes, **column.text_values}.items():
        others.setdefault(str(code), []).append(text)
    header = [f"`{column.name}`", "Meaning"] + (["Also written as"] if others else [])
    rows = [[code, meaning, _names(others.get(code, ()))] for code, meaning in column.meanings.items()]
    return _table(header, [row[: len(header)] for row in rows])


def _names(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main(arguments: list[str]) -> int:
    """Write the document to stdout, or with ``--check`` compare it; returns the exit code."""
    if arguments == ["--check"]:
        if DOCUMENT.exists() and DOCUMENT.read_text(encoding="utf-8") == schema_document():
            return 0
        sys.stderr.write(f"{DOCUMENT} is out of date: python -m flows.tlc.schema_docs > docs/schema.md\n")
        return 1
    sys.stdout.write(schema_document())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
