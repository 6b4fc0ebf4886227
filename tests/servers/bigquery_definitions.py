"""CREATE statements of the BigQuery stand-in: datasets, tables and views, as dbt makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlglot import exp

from tests.servers.bigquery_queries import (
    FindTable,
    Query,
    check_query,
    parse_query,
    qualified,
    run_query,
)
from tests.servers.bigquery_resources import Resources
from tests.servers.bigquery_tables import Table, arrow_schema, check_fields, check_partitioning, partitioning_text
from tests.servers.recording import ApiError


@dataclass
class Definition:
    """A CREATE statement that was understood: what it makes, and of which query, if of any."""

    kind: str
    key: tuple[str, str]
    resource: dict[str, Any]
    replaces: bool
    if_missing: bool
    query: Query | None = None


def parse_definition(statement: exp.Create, project: str, find: FindTable, default_dataset: str | None) -> Definition:
    """Understand it; a 400 for what BigQuery does not take, or the stand-in does not make."""
    kind, given = statement.args["kind"], statement.expression
    flags = {"replaces": bool(statement.args.get("replace")), "if_missing": bool(statement.args.get("exists"))}
    if kind == "SCHEMA":
        return Definition("CREATE_SCHEMA", (statement.this.db, ""), {}, **flags)
    columns = statement.this.expressions if isinstance(statement.this, exp.Schema) else []
    key = qualified(statement.this.this if columns else statement.this, project, default_dataset)
    resource = _options(statement)
    if given is None and kind == "TABLE" and columns:
        resource["schema"] = {"fields": check_fields([_column(column) for column in columns])}
        check_partitioning(resource)
        return Definition("CREATE_TABLE", key, resource, **flags)
    if given is None or columns or kind not in ("TABLE", "VIEW"):
        raise ApiError(400, "invalidQuery", f"The stand-in does not make this: {statement.sql('bigquery')}")
    selected = given.unnest()
    if kind == "VIEW":
        resource["view"] = {"query": selected.sql("bigquery"), "useLegacySql": False}
    query = parse_query(selected, project, find, default_dataset, [])
    resource["schema"] = {"fields": check_fields(check_query(query))}
    check_partitioning(resource)
    return Definition(
        "CREATE_VIEW" if kind == "VIEW" else "CREATE_TABLE_AS_SELECT", key, resource, query=query, **flags
    )


def _column(column: exp.ColumnDef) -> dict[str, Any]:
    return {"name": column.name, "type": column.args["kind"].sql("bigquery")}


def _options(statement: exp.Create) -> dict[str, Any]:
    """What PARTITION BY and OPTIONS say, as the table's resource has it."""
    resource: dict[str, Any] = {}
    properties = statement.args.get("properties")
    for given in properties.expressions if properties else []:
        if isinstance(given, exp.PartitionedByProperty) and isinstance(given.this, exp.DateTrunc):
            resource["timePartitioning"] = {"type": given.this.unit.name, "field": given.this.this.name}
        elif isinstance(given, exp.Property) and given.name == "description":
            resource["description"] = given.args["value"].name
        else:
            raise ApiError(400, "invalidQuery", f"The stand-in does not have {given.sql('bigquery')}")
    return resource


class Definitions(Resources):
    """Making what CREATE statements say."""

    def _define(self, definition: Definition, location: str) -> None:
        """Make it, or leave what is there; a 409 if it may not be there, a 400 if it cannot be replaced."""
        if definition.kind == "CREATE_SCHEMA":
            self._define_dataset(definition, location)
            return
        dataset, name = definition.key
        existing = self.tables.get(definition.key)
        if existing and definition.if_missing:
            return
        if existing and not definition.replaces:
            raise ApiError(409, "duplicate", f"Already Exists: Table {existing.name}")
        if existing:
            _check_replaceable(existing, definition)
        table = Table(self._table_resource(dataset, name, definition.resource))
        if definition.kind == "CREATE_TABLE_AS_SELECT":
            assert definition.query is not None
            result, _ = run_query(definition.query.read_again(self._queried_table))
            self._replace_rows(table, _typed(result.rows, table.fields))
        self.tables[definition.key] = table

    def _define_dataset(self, definition: Definition, location: str) -> None:
        name = definition.key[0]
        if name not in self.datasets:
            self.create_dataset(name, location)
        elif not definition.if_missing:
            raise ApiError(409, "duplicate", f"Already Exists: Dataset {self.project}:{name}")


def _check_replaceable(existing: Table, definition: Definition) -> None:
    wanted = "VIEW" if definition.kind == "CREATE_VIEW" else "TABLE"
    if existing.resource["type"] != wanted:
        raise ApiError(400, "invalid", f"{existing.name} is not a {wanted}: it is a {existing.resource['type']}")
    if partitioning_text(existing.resource) != partitioning_text(definition.resource):
        raise ApiError(
            400,
            "invalidQuery",
            "Cannot replace a table with a different partitioning spec. Instead, DROP the table, and then recreate "
            f"it. New partitioning spec is {partitioning_text(definition.resource)} and existing spec is "
            f"{partitioning_text(existing.resource)}",
        )


def _typed(rows: pa.Table, fields: list[dict[str, Any]]) -> pa.Table:
    return rows.cast(arrow_schema(fields))
