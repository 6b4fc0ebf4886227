"""Queries of the BigQuery stand-in: its SQL turned into DuckDB's and run over the stored tables."""

from __future__ import annotations

import base64
import dataclasses
import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from sqlglot import exp

from tests.servers.bigquery_tables import ARROW_TYPES, JobFailed, Table, arrow_schema, canonical_type, partition_ids
from tests.servers.recording import ApiError

MIN_BYTES_BILLED = 10 * 1024 * 1024
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
STATEMENTS = {exp.Insert: "INSERT", exp.Merge: "MERGE", exp.Update: "UPDATE", exp.Delete: "DELETE"}
FindTable = Callable[[str, str], Table]
# https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#reserved_keywords
RESERVED = """
ALL AND ANY ARRAY AS ASC ASSERT_ROWS_MODIFIED AT BETWEEN BY CASE CAST COLLATE CONTAINS CREATE CROSS CUBE CURRENT
DEFAULT DEFINE DESC DISTINCT ELSE END ENUM ESCAPE EXCEPT EXCLUDE EXISTS EXTRACT FALSE FETCH FOLLOWING FOR FROM
FULL GROUP GROUPING GROUPS HASH HAVING IF IGNORE IN INNER INTERSECT INTERVAL INTO IS JOIN LATERAL LEFT LIKE
LIMIT LOOKUP MERGE NATURAL NEW NO NOT NULL NULLS OF ON OR ORDER OUTER OVER PARTITION PRECEDING PROTO QUALIFY
RANGE RECURSIVE RESPECT RIGHT ROLLUP ROWS SELECT SET SOME STRUCT TABLESAMPLE THEN TO TREAT TRUE UNBOUNDED UNION
UNNEST USING WHEN WHERE WINDOW WITH WITHIN
"""


@dataclass
class Query:
    """A statement that was understood: the tables that it reads, the one that it changes, its parameters' values.

    `views` are the statements of the views that it reads, each after those that it reads itself.
    """

    statement: exp.Expression
    kind: str
    tables: dict[tuple[str, str], Table]
    views: dict[tuple[str, str], exp.Expression]
    target: tuple[str, str] | None
    parameters: dict[str, Any] | list[Any]

    def read_again(self, find: FindTable) -> Query:
        """The same statement over its tables as they are now."""
        return replace(self, tables={key: find(*key) for key in self.tables})

    def fields_of(self, schema: pa.Schema) -> list[dict[str, Any]]:
        """The BigQuery columns of a result: JSON, which Arrow has as text, told by the column's name."""
        stored = {field["name"] for table in self.tables.values() for field in table.fields if field["type"] == "JSON"}
        return [field | ({"type": "JSON"} if field["name"] in stored else {}) for field in _fields(schema)]

    @property
    def bytes_processed(self) -> int:
        """The stored size of the columns that the statement names, in the partitions that its filter leaves."""
        names = {column.name.lower() for column in self.statement.find_all(exp.Column)}
        every = any(not isinstance(star.parent, exp.Count) for star in self.statement.find_all(exp.Star))
        tables = [self._partitions_read(table) for table in self.tables.values()]
        return sum(rows[name].nbytes for rows in tables for name in rows.column_names if every or name.lower() in names)

    def _partitions_read(self, table: Table) -> pa.Table:
        """All rows of the partitions in which the filter on the partitioning column holds anywhere.

        As BigQuery does, only conditions of that column alone count, here those of a query over one table.
        """
        rows, column = table.rows(), (table.partitioning or {}).get("field")
        where = self.statement.find(exp.Where)
        if column is None or where is None or len(self.tables) > 1 or self.statement.find(exp.Subquery):
            return rows
        parts = list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]
        parts = [part for part in parts if {found.name for found in part.find_all(exp.Column)} == {column}]
        if not parts:
            return rows
        used = {found.name for part in parts for found in part.find_all(exp.Parameter)}
        values = {name: value for name, value in dict(self.parameters).items() if name in used}
        condition = " and ".join(f"({part.sql('duckdb')})" for part in parts)
        with duckdb.connect() as database:
            database.register("stored", rows.select([column]))
            sql = f"select distinct {column} from stored where {condition}"
            left = database.sql(sql, params=values).to_arrow_table()[column].cast(rows[column].type)
        kinds = table.partitioning["type"] if table.partitioning else ""
        ids = partition_ids(left, kinds).unique()
        return rows.filter(pc.is_in(partition_ids(rows[column], kinds), value_set=ids))

    @property
    def bytes_billed(self) -> int:
        """What on-demand pricing counts: at least 10 MiB a table, whole MiB."""
        least = MIN_BYTES_BILLED * len(self.tables)
        return max(least, -(-self.bytes_processed // 1024**2) * 1024**2)


@dataclass
class QueryResult:
    """What a statement returned or changed."""

    rows: pa.Table = dataclasses.field(default_factory=lambda: pa.table({}))
    fields: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    affected: int | None = None


def parse_statements(sql: str) -> list[exp.Expression]:
    """The statements of a query or a script; a 400 for what BigQuery's dialect does not have."""
    try:
        statements = [statement for statement in sqlglot.parse(sql, read="bigquery") if statement]
    except sqlglot.errors.SqlglotError as wrong:
        raise ApiError(400, "invalidQuery", f"Syntax error: {wrong}") from wrong
    for statement in statements:
        _check_words(statement)
    return statements


def _check_words(statement: exp.Expression) -> None:
    """Raise the 400 of a name that BigQuery reserves, or of a function that it does not have: sqlglot takes both."""
    for name in statement.find_all(exp.Identifier):
        if not name.quoted and name.name.upper() in RESERVED.split():
            raise ApiError(400, "invalidQuery", f"Syntax error: Unexpected keyword {name.name.upper()}")
    for function in statement.find_all(exp.Anonymous):
        raise ApiError(400, "invalidQuery", f"Function not found: {function.name}")


def parse_query(
    statement: exp.Expression, project: str, find: FindTable, default_dataset: str | None, parameters: list[Any]
) -> Query:
    """Understand one statement; a 400 for what the stand-in cannot run."""
    if not isinstance(statement, (exp.Query, *STATEMENTS)):
        raise ApiError(400, "invalidQuery", "The stand-in runs SELECT, INSERT, UPDATE, DELETE, MERGE and some CREATE.")
    kind = STATEMENTS.get(type(statement), "SELECT")
    tables: dict[tuple[str, str], Table] = {}
    views: dict[tuple[str, str], exp.Expression] = {}

    def resolve(statement: exp.Expression) -> None:
        for name in _table_names(statement):
            key = qualified(name, project, default_dataset)
            if key in tables or key in views:
                continue
            found = find(*key)
            if found.view_query is None:
                tables[key] = found
                continue
            (inner,) = parse_statements(found.view_query)
            resolve(inner)
            views[key] = inner

    resolve(statement)
    _check_filters(statement, tables)
    first = statement.this.find(exp.Table) if kind != "SELECT" else None
    target = (first.db, first.name) if first else None
    if target in views:
        raise ApiError(400, "invalidQuery", f"Table {'.'.join(target)} is a view and cannot be modified by DML.")
    return Query(statement, kind, tables, views, target, _parameter_values(parameters))


def qualified(name: exp.Table, project: str, default_dataset: str | None) -> tuple[str, str]:
    """The dataset and the table that a name means, as which it is written from now on."""
    if name.catalog not in ("", project):
        raise ApiError(403, "accessDenied", f"Access Denied: Project {name.catalog}: no permission to query it")
    dataset = name.db or default_dataset
    if not dataset:
        message = f'Table "{name.name}" must be qualified with a dataset (e.g. dataset.table).'
        raise ApiError(400, "invalid", message)
    key = dataset, name.name
    name.set("catalog", None)
    name.set("db", exp.to_identifier(dataset, quoted=True))
    name.set("this", exp.to_identifier(name.name, quoted=True))
    return key


def _table_names(statement: exp.Expression) -> Iterator[exp.Table]:
    defined = {cte.alias for cte in statement.find_all(exp.CTE)}
    for table in list(statement.find_all(exp.Table)):
        if table.db or table.name not in defined:
            yield table


def _check_filters(statement: exp.Expression, tables: dict[tuple[str, str], Table]) -> None:
    """Raise the 400 of a query that reads all of a table which requires a partition filter."""
    filtered = {column.name for where in statement.find_all(exp.Where) for column in where.find_all(exp.Column)}
    for (dataset, name), table in tables.items():
        partitioning = table.partitioning or {}
        required = table.resource.get("requirePartitionFilter") or partitioning.get("requirePartitionFilter")
        if required and partitioning.get("field") not in filtered:
            raise ApiError(
                400,
                "invalidQuery",
                f"Cannot query over table '{dataset}.{name}' without a filter over column(s) "
                f"'{partitioning.get('field')}' that can be used for partition elimination",
            )


def check_query(query: Query) -> list[dict[str, Any]]:
    """The columns that the statement returns, without running it; a 400 for a column or function that is not there."""
    sql = query.statement.sql("duckdb")
    try:
        with _database(query) as database:
            if query.kind == "SELECT":
                return query.fields_of(_arrow(database, f"select * from ({sql}) limit 0", query.parameters).schema)
            database.execute(f"explain {sql}", query.parameters)
            return []
    except duckdb.Error as wrong:
        raise ApiError(400, "invalidQuery", str(wrong)) from wrong


def run_query(query: Query) -> tuple[QueryResult, pa.Table | None]:
    """The statement's result, and all rows of the table that it changed; duckdb.Error or JobFailed where it fails."""
    sql = query.statement.sql("duckdb")
    with _database(query) as database:
        if query.target is None:
            rows = _arrow(database, sql, query.parameters)
            return QueryResult(rows, query.fields_of(rows.schema)), None
        (affected,) = database.execute(sql, query.parameters).fetchone() or (0,)
        dataset, name = query.target
        changed = _arrow(database, f'select * from "{dataset}"."{name}"', [])
    fields = query.tables[query.target].fields
    for field in fields:
        if field["mode"] == "REQUIRED" and changed[field["name"]].null_count:
            raise JobFailed("invalidQuery", f"Required field {field['name']} cannot be null", "query")
    schema = arrow_schema(fields)
    return QueryResult(affected=affected), changed.select(schema.names).cast(schema)


def _arrow(database: duckdb.DuckDBPyConnection, sql: str, parameters: Any) -> pa.Table:
    return database.sql(sql, params=parameters).to_arrow_table()


def _database(query: Query) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory that holds the statement's tables; the one to be changed is a copy."""
    database = duckdb.connect()
    database.execute("set timezone = 'UTC'")
    for index, ((dataset, name), table) in enumerate(query.tables.items()):
        database.register(f"stored_{index}", table.rows())
        database.execute(f'create schema if not exists "{dataset}"')
        kind = "table" if (dataset, name) == query.target else "view"
        database.execute(f'create {kind} "{dataset}"."{name}" as select * from stored_{index}')
    for (dataset, name), statement in query.views.items():
        database.execute(f'create schema if not exists "{dataset}"')
        database.execute(f'create view "{dataset}"."{name}" as {statement.sql("duckdb")}')
    database.execute("set enable_external_access = false")
    return database


def _parameter_values(parameters: list[Any]) -> dict[str, Any] | list[Any]:
    named = {p["name"]: _parameter_value(p["parameterType"], p["parameterValue"]) for p in parameters if p.get("name")}
    return named or [_parameter_value(p["parameterType"], p["parameterValue"]) for p in parameters]


def _parameter_value(kind: dict[str, Any], value: dict[str, Any]) -> Any:
    if kind["type"] == "ARRAY":
        return [_parameter_value(kind["arrayType"], item) for item in value.get("arrayValues", [])]
    text = value.get("value")
    readers: dict[str, Callable[[str], Any]] = {
        "INTEGER": int,
        "FLOAT": float,
        "NUMERIC": Decimal,
        "BIGNUMERIC": Decimal,
        "BOOLEAN": lambda word: word == "true",
        "DATE": datetime.date.fromisoformat,
        "DATETIME": datetime.datetime.fromisoformat,
        "TIMESTAMP": datetime.datetime.fromisoformat,
        "BYTES": base64.b64decode,
    }
    return None if text is None else readers.get(canonical_type(kind), str)(str(text))


def _fields(schema: pa.Schema) -> list[dict[str, Any]]:
    return [{"name": column.name, **_field_type(column.type)} for column in schema]


def _field_type(kind: pa.DataType) -> dict[str, Any]:
    """The BigQuery type of a result column."""
    if pa.types.is_list(kind):
        return _field_type(kind.value_type) | {"mode": "REPEATED"}
    if pa.types.is_struct(kind):
        return {"type": "RECORD", "mode": "NULLABLE", "fields": _fields(pa.schema(list(kind)))}
    name = next((name for name, arrow in ARROW_TYPES.items() if arrow == kind), "STRING")
    if pa.types.is_integer(kind) or pa.types.is_null(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        name = "INTEGER"
    elif pa.types.is_decimal(kind):
        name = "NUMERIC"
    elif pa.types.is_floating(kind):
        name = "FLOAT"
    elif pa.types.is_timestamp(kind):
        name = "TIMESTAMP" if kind.tz else "DATETIME"
    return {"type": name, "mode": "NULLABLE"}


def encoded_rows(rows: pa.Table, fields: list[dict[str, Any]], *, integer_timestamps: bool) -> list[dict[str, Any]]:
    """Rows as the REST API writes them: {"f": [{"v": "1"}, ...]}, every scalar a string."""
    columns = [
        [_encoded(value, column, integer_timestamps) for value in rows.column(index).to_pylist()]
        for index, column in enumerate(fields)
    ]
    return [{"f": [{"v": value} for value in row]} for row in zip(*columns, strict=True)]


def _encoded(value: Any, column: dict[str, Any], integer_timestamps: bool) -> Any:
    if column.get("mode") == "REPEATED":
        single = column | {"mode": "NULLABLE"}
        return [{"v": _encoded(item, single, integer_timestamps)} for item in value or []]
    if value is not None and column["type"] == "RECORD":
        return {"f": [{"v": _encoded(value[sub["name"]], sub, integer_timestamps)} for sub in column["fields"]]}
    return None if value is None else _encoded_scalar(value, column["type"], integer_timestamps)


def _encoded_scalar(value: Any, kind: str, integer_timestamps: bool) -> str:
    match kind:
        case "TIMESTAMP":
            micros = (value - EPOCH) // datetime.timedelta(microseconds=1)
            return str(micros) if integer_timestamps else repr(micros / 1e6)
        case "DATE" | "TIME" | "DATETIME":
            return str(value.isoformat())
        case "BYTES":
            return base64.b64encode(value).decode()
        case "INTEGER":
            return str(int(value))
        case "BOOLEAN":
            return str(value).lower()
    return str(value)
