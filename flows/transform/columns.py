"""Which columns of a file are which, what is odd about them, and how the columns that nobody declared are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.tlc.column import Column
from flows.tlc.dataset import Dataset
from flows.tlc.errors import MissingColumn, SchemaError, UnknownColumn
from flows.tlc.month import Month
from flows.tlc.schema import Schema, missing_words, schema_of
from flows.transform.rejected import plain_value

# Names that a target keeps for itself: Postgres' system columns, DuckDB's, the lake's folders; and the beginnings of
# those in BigQuery, where no name may begin with a digit either.
_RESERVED = re.compile(
    r"(ctid|xmin|xmax|cmin|cmax|tableoid|rowid|pickup_date)$"
    r"|[0-9]|_table_|_file_|_partition|_row_timestamp|__root__|_colidentifier"
)
_LONGEST_NAME = 60
_TOLD = 3


def kept_name(source_name: str) -> str:
    """The conformed name of an undeclared column: ASCII letters, digits and underscores, in lower case.

    A name that one of the targets could not have gets another in all of them.
    """
    letters = (letter if letter.isascii() and letter.isalnum() else "_" for letter in source_name.strip().lower())
    name = "".join(letters) or "unnamed"
    return (f"kept_{name}" if _RESERVED.match(name) else name)[:_LONGEST_NAME]


def kept_names(schema: Schema, names: Sequence[str]) -> dict[str, str]:
    """The undeclared columns ``names`` by their conformed names; raises SchemaError if one of these is taken."""
    kept: dict[str, str] = {}
    for name in names:
        if kept_name(name) in (*schema.names, *kept):
            raise SchemaError(
                f"the column {name!r} would be kept as '{kept_name(name)}', which another column is called already. "
                f"Declare it in flows/tlc/schemas/{schema.dataset}.toml under a name of its own."
            )
        kept[kept_name(name)] = name
    return kept


def check_nameless(raw: pa.RecordBatch, place: int, schema: Schema) -> None:
    """Raise SchemaError if the column at ``place``, which has no name, has a value."""
    values = raw.column(place)
    if values.null_count == len(values):
        return
    texts = (_as_text(plain_value(value)).strip() for value in values if value.is_valid)
    found = next((text for text in texts if text and text.upper() not in missing_words()), None)
    if found is not None:
        raise SchemaError(
            f"column {place + 1} of the file has no name and values such as {found[:40]!r}: its header begins or ends "
            "with a comma, or a name is lost. If that column is not wanted, add \"\" to 'ignored' in "
            f"flows/tlc/schemas/{schema.dataset}.toml; else look at what the source delivers there."
        )


def united(one: pa.Array[Any], other: pa.Array[Any], column: Column, names: tuple[str, str], schema: Schema) -> Any:
    """What two columns of a file that are one have: the value of either; raises SchemaError if they differ."""
    differ = pc.indices_nonzero(pc.fill_null(pc.not_equal(one, other), False))
    if not len(differ):
        return pc.coalesce(one, other)
    row = differ[0].as_py()
    remedy = (
        f'Say in flows/tlc/schemas/{schema.dataset}.toml which one is left out: under [ignored_beside], "{names[1]}" = '
        f'"{names[0]}" takes {names[0]!r}.'
        if names[0] != names[1]
        else "Look at what the source delivers there."
    )
    raise SchemaError(
        f"the file's columns {names[0]!r} and {names[1]!r} are both '{column.name}', and differ (such as {one[row]} "
        f"and {other[row]}). {remedy}"
    )


def check_complete(
    schema: Schema, month: Month, column_names: Sequence[str], missing: Sequence[Column], unknown: Sequence[str]
) -> None:
    """Raise MissingColumn if the file lacks columns; ``unknown`` are those that it has instead."""
    if not missing:
        return
    required = next((column for column in missing if column.required), None)
    if required:
        raise MissingColumn(
            f"the file has no {required.name} (nor {', '.join(required.source_names)}), without which no trip can be "
            f"loaded; it has {', '.join(column_names)}.{_like_another(schema, month, column_names)} Look at what the "
            "source delivers there."
        )
    lacks = (
        f"the file has no {_listed([column.name for column in missing])}, which {schema.dataset} files of {month} have"
    )
    if other := _like_another(schema, month, column_names):
        raise MissingColumn(f"{lacks}.{other} Look at what the source delivers there.")
    file = f"flows/tlc/schemas/{schema.dataset}.toml"
    instead = f" (it has {_listed(unknown)} instead)" if unknown else ""
    raise MissingColumn(
        f"{lacks}{instead}: nothing would be loaded for it. If TLC calls it otherwise now, add that name to its "
        f'source_names in {file}; if TLC publishes it no more, write until = "{month.plus(-1)}" there.'
    )


def unknown_columns(schema: Schema, month: Month, column_names: Sequence[str], unknown: Sequence[str]) -> UnknownColumn:
    """The error for columns that the schema does not declare."""
    listed = ", ".join(f"'{name}'" for name in unknown)
    what, them = (f"columns {listed} are", "them") if len(unknown) > 1 else (f"column {listed} is", "it")
    return UnknownColumn(
        f"{what} not in flows/tlc/schemas/{schema.dataset}.toml.{_like_another(schema, month, column_names)} If TLC "
        f'added {them}, declare {them} there with since = "{month}" (a new name of a column: add it to its '
        f'source_names); to load {them} as text meanwhile, pass new_columns="keep".'
    )


def _like_another(schema: Schema, month: Month, column_names: Sequence[str]) -> str:
    """That the file is one of another dataset, if its columns say so; else nothing."""
    for dataset in Dataset:
        if dataset != schema.dataset:
            other = schema_of(dataset)
            found = [other.find(name) for name in column_names if not other.is_ignored(name, column_names)]
            if None not in found and not other.missing(month, {column.name for column in found if column}):
                return f" These are the columns of a {dataset} file."
    return ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more


def _as_text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
