"""SQL is put together from quoted identifiers and parameters; what else goes into it is named here, and why."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted([*(ROOT / "flows").rglob("*.py"), *(ROOT / "blocks").rglob("*.py")])
STATEMENT = re.compile(
    r"\b(select .*from|insert into|delete from|update .* set|alter table|create (or replace |external )?"
    r"(table|view|schema)|drop (table|view)|comment on|describe select|copy .* from)\b",
    re.I | re.S,
)

A_CONSTANT = "a constant of the project"
A_TABLE = "schema and table by constants and the dataset, which is an enum"
DECLARED = "a name or a type from the schema files or the ledger's declaration"
# What may stand in an f-string of SQL beside a call that quotes, and why it cannot be anybody's text.
ANYWHERE = {
    "SCHEMA": A_CONSTANT,
    "LEDGER_TABLE": A_CONSTANT,
    "trips_table(dataset)": A_TABLE,
    "totals_select(schema_of(dataset))": "sums of declared columns",
    "table": A_TABLE,
}
TRUSTED: dict[str, dict[str, str]] = {
    "flows/dbt/preview.py": {"compiled.node.compiled_code": "a model of flows/analytics, as dbt has compiled it"},
    "flows/load/duckdb/month.py": {
        "columns": "joined from names that were quoted",
        "source": "read_parquet of paths that were made literals, or a constant",
    },
    "flows/load/duckdb/codes.py": {
        "table.name": A_CONSTANT,
        "_definitions(table)": "joined from names that were quoted and declared types",
        "names": "joined from names that were quoted",
    },
    "flows/load/duckdb/lake_table.py": {
        "source": "read_parquet of a path that was made a literal",
        "name": A_TABLE,
        "', '.join([*columns, DAY_KEY])": "joined from names that were quoted, and a constant",
    },
    "flows/load/duckdb/lake_query.py": {
        "table": A_TABLE,
        "', '.join(columns)": "joined from names that were quoted and declared types",
        "parts": "selects of quoted names from read_parquet of paths that were made literals",
        "_names(own)": "names that were quoted",
    },
    "flows/ui/report.py": {
        "report.month": "shown for copying, never run",
    },
    "flows/load/query.py": {
        "', '.join(columns)": DECLARED,
        "filtered": "months, and the user's own condition, run in a session that only reads",
    },
    "flows/load/stream/compare.py": {"_columns(dataset)": "sums of declared columns"},
    "flows/load/stream/ordered.py": {"names": DECLARED, "keys": DECLARED},
    "flows/load/stream/replay.py": {"fields": DECLARED},
    "flows/load/duckdb/ledger.py": {
        "where": "written out by the callers, with parameters for the values",
        "', '.join(columns)": DECLARED,
        "names": DECLARED,
        "marks": "question marks",
    },
    "flows/load/duckdb/tables.py": {
        "columns": "joined from names that were quoted and declared types",
        "column.name": DECLARED,
        "column.duckdb": DECLARED,
    },
}
# What psycopg2 is given as SQL although it is not written out at that place.
AS_SQL = {
    "_SHARED_TABLES": A_CONSTANT,
    "SCHEMA": A_CONSTANT,
    "condition": "one of three that are written out beside it",
    "totals_select(schema_of(dataset))": "sums of declared columns",
    "type_name": "a type from the schema files or the catalogue",
    "definition": "an index's or a constraint's, as Postgres itself writes it",
    "'create unique index {} on {} {}' if is_unique else 'create index {} on {} {}'": "both are written out",
    "_columns(dataset)": "sums of declared columns",
    "_TABLES": A_CONSTANT,
    "_VIEWS": A_CONSTANT,
    "'{}' if descend else 'only {}'": "both are written out",
    "'access exclusive' if exclusive else 'share update exclusive'": "both are written out",
}
# Where text is filled into a statement by str.format, and why that is safe.
FORMATTED = {
    "flows/charts/chart.py": "the marts' schema, by constants and as below, and the days of months",
    "flows/load/bigquery/ledger.py": "the block takes no dataset but of letters, digits and _; Google no other project",
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in MODULES:
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def without_errors(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those of raised errors: their sentences may tell somebody a statement to run."""
    for child in ast.iter_child_nodes(tree):
        if not isinstance(child, ast.Raise):
            yield child
            yield from without_errors(child)


def is_quoting(source: str) -> bool:
    """Whether the expression is one call that quotes whatever it is given."""
    return bool(re.fullmatch(r"(quoted|literal|read_parquet)\(.*\)", source, re.S))


def interpolated(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and source of each expression in an f-string that looks like SQL."""
    for node in without_errors(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
            if STATEMENT.search(text):
                parts = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
                yield from ((node.lineno, ast.unparse(part)) for part in parts)


def untrusted(name: str, tree: ast.AST) -> list[str]:
    known = ANYWHERE | TRUSTED.get(name, {})
    return [
        f"{name}:{line}: {{{source}}}"
        for line, source in interpolated(tree)
        if source not in known and not is_quoting(source)
    ]


def is_sql(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(STATEMENT.search(node.value))


def concatenated(name: str, tree: ast.AST) -> list[str]:
    """SQL that is put together by + or %."""
    return [
        f"{name}:{node.lineno}: {ast.unparse(node)}"
        for node in without_errors(tree)
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Add | ast.Mod)
        and (is_sql(node.left) or is_sql(node.right))
    ]


def formatted(name: str, tree: ast.AST) -> list[str]:
    """SQL that is filled by str.format instead of psycopg2's, and psycopg2's SQL made of what is not written out."""
    wrong = []
    for node in without_errors(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of = node.func.value
        if (
            node.func.attr == "SQL"
            and not isinstance(node.args[0], ast.Constant)
            and ast.unparse(node.args[0]) not in AS_SQL
        ):
            wrong.append(f"{name}:{node.lineno}: {ast.unparse(node)}")
        if node.func.attr in ("format", "substitute") and (
            is_sql(of) or ast.unparse(of) in ("sql", "statement", "query", "Template(self.query)")
        ):
            wrong.append(f"{name}:{node.lineno}: {ast.unparse(node)}")
    return [] if name in FORMATTED else wrong


def test_every_expression_in_a_statement_is_quoted_or_named_here() -> None:
    assert [found for name, tree in trees() for found in untrusted(name, tree)] == []


def test_no_statement_is_concatenated_or_formatted() -> None:
    assert [found for name, tree in trees() for found in concatenated(name, tree) + formatted(name, tree)] == []


def test_nothing_is_named_here_that_no_statement_has() -> None:
    used = {name: {source for _, source in interpolated(tree)} for name, tree in trees()}
    unused = {name: known.keys() - used.get(name, set()) for name, known in TRUSTED.items()}
    assert {name: sources for name, sources in unused.items() if sources} == {}
    assert ANYWHERE.keys() <= set().union(*used.values())


@pytest.mark.parametrize(
    "code",
    [
        "cursor.execute(f'select * from {name}')",
        "cursor.execute('select * from ' + name)",
        "cursor.execute('select * from %s' % name)",
        "cursor.execute('select * from {}'.format(name))",
        "cursor.execute(sql.SQL(text).format(name))",
        "statement = f'delete from tlc.trips where zone = {zone}'",
    ],
)
def test_unquoted_name_is_found(code: str) -> None:
    tree = ast.parse(code)
    assert untrusted("x.py", tree) + concatenated("x.py", tree) + formatted("x.py", tree)
