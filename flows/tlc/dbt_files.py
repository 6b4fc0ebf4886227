"""Writes the files of ``flows/analytics`` that repeat the schema files and rules: ``python -m flows.tlc.dbt_files``.

The sources with their descriptions, the staging models with their tests, and the conditions of the rules. With
``--check`` it writes nothing and fails if a file is not what it would write.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from flows.tlc.codes import code_tables
from flows.tlc.column import Column
from flows.tlc.dataset import Dataset, dataset_info
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.rules import UNLOADABLE, Rule, rules_for
from flows.tlc.schema import schema_of, zones

PROJECT = Path(__file__).parents[1] / "analytics"
_COMMAND = "python -m flows.tlc.dbt_files"
_LINE = 120
_HEAD = f"Written by `{_COMMAND}` from flows/tlc: change that, not this."


def dbt_files() -> dict[Path, str]:
    """What each file has to contain."""
    staging = PROJECT / "models" / "staging"
    return {
        staging / "sources.yml": _yaml(_sources()),
        staging / "staging.yml": _yaml(_staging()),
        PROJECT / "macros" / "rules.sql": _rules(),
    } | {staging / f"{_model(dataset)}.sql": _select(dataset) for dataset in Dataset}


def _model(dataset: Dataset) -> str:
    return f"stg_{trips_table(dataset)}"


def _yaml(lines: Iterator[str]) -> str:
    return "\n".join([f"# {_HEAD}", "version: 2", *lines]) + "\n"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # what JSON quotes, YAML reads


def _entry(key: str, text: str, indent: str) -> Iterator[str]:
    """A text under a key, folded if it is too long for a line."""
    line = f"{indent}{key}: {_text(text)}"
    if len(line) <= _LINE:
        yield line
        return
    yield f"{indent}{key}: >-"
    yield from textwrap.wrap(text, _LINE, initial_indent=f"{indent}  ", subsequent_indent=f"{indent}  ")


def _sources() -> Iterator[str]:
    yield "sources:"
    yield f"  - name: {SCHEMA}"
    yield '    schema: "{{ target.schema }}"'
    yield "    description: What the loads of this project write."
    yield "    tables:"
    for dataset in Dataset:
        yield f"      - name: {trips_table(dataset)}"
        yield from _entry("description", _description(dataset), " " * 8)
        yield "        columns:"
        for column in schema_of(dataset).columns:
            yield from _described(column, " " * 10)
    yield "      - name: loads"
    yield "        description: The ledger, one row a load, with what it read, loaded, rejected and flagged."
    for table in code_tables():
        yield f"      - name: {table.name}"
        yield from _entry("description", table.description, " " * 8)
        yield "        columns:"
        for column in table.columns:
            yield from _described(column, " " * 10)


def _staging() -> Iterator[str]:
    yield "models:"
    for dataset in Dataset:
        yield f"  - name: {_model(dataset)}"
        yield from _entry("description", _description(dataset), " " * 4)
        yield "    columns:"
        for column in schema_of(dataset).columns:
            yield from _described(column, " " * 6)
            yield from _tests(column, " " * 8)


def _description(dataset: Dataset) -> str:
    info = dataset_info(dataset)
    return f"{info.title}. {info.description}"


def _described(column: Column, indent: str) -> Iterator[str]:
    yield f"{indent}- name: {column.name}"
    yield from _entry("description", column.comment, f"{indent}  ")


def _tests(column: Column, indent: str) -> Iterator[str]:
    """Odd codes are real, so they warn: the ledger has counted them."""
    if not (column.required or column.meanings):
        return
    yield f"{indent}data_tests:"
    if column.required:
        yield f"{indent}  - not_null"
    if column.meanings:
        values = ", ".join(_text(value) if column.values else value for value in column.meanings)
        quote = "true" if column.values else "false"
        yield f"{indent}  - accepted_values:"
        yield f"{indent}      arguments: {{values: [{values}], quote: {quote}}}"
        yield f"{indent}      config: {{severity: warn}}"


def _select(dataset: Dataset) -> str:
    columns = ",\n".join(f"    {column.name}" for column in schema_of(dataset).columns)
    source = f"{{{{ source('{SCHEMA}', '{trips_table(dataset)}') }}}}"
    return f"{{#- {_HEAD} -#}}\nselect\n{columns}\nfrom {source}\n"


def _rules() -> str:
    lines = [
        f"{{# {_HEAD}",
        "   The conditions of the rules by dataset and rule, and the names of what cannot be loaded at all. #}",
        "{% macro rules() %}",
        "  {{ return({",
    ]
    for dataset in Dataset:
        lines.append(f"    '{dataset}': {{")
        for rule in rules_for(schema_of(dataset)):
            lines += [f"      '{rule.name}':", f"        {_condition(rule, dataset)},"]
        lines.append("    },")
    names = ", ".join(f"'{name}'" for name in UNLOADABLE)
    lines += ["  }) }}", "{% endmacro %}", "", "", "{% macro unloadable_rules() %}"]
    lines += [f"  {{{{ return([{names}]) }}}}", "{% endmacro %}"]
    return "\n".join(lines) + "\n"


def _condition(rule: Rule, dataset: Dataset) -> str:
    """The SQL that a row which breaks the rule fulfils, as a Jinja expression; see ``flows/transform/check.py``."""
    columns = [column for role in rule.roles if (column := schema_of(dataset).role(role)) is not None]
    return _CONDITIONS[rule.test](rule, columns)


def _outside_month(_rule: Rule, columns: list[Column]) -> str:
    day = f"cast({columns[0].name} as date)"
    return f"\"{day} < source_month\"\n        ~ \" or {day} >= \" ~ later('source_month', 1, 'month')"


def _compare(operator: str) -> Callable[[Rule, list[Column]], str]:
    return lambda rule, columns: f'"{columns[0].name} {operator} {rule.value or 0:g}"'


def _unknown_code(_rule: Rule, columns: list[Column]) -> str:
    return f'"{columns[0].name} not in ({", ".join(str(code) for code in sorted(columns[0].codes))})"'


_CONDITIONS: dict[str, Callable[[Rule, list[Column]], str]] = {
    "outside_month": _outside_month,
    "before": lambda _rule, columns: f'"{columns[0].name} < {columns[1].name}"',
    "below": _compare("<"),
    "above": _compare(">"),
    "equal": _compare("="),
    "unknown_zone": lambda _rule, columns: (
        f'"{columns[0].name} < {zones().first} or {columns[0].name} > {zones().last}"'
    ),
    "unknown_code": _unknown_code,
}


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` compare them; returns the exit code."""
    different = [
        path for path, text in dbt_files().items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path in different:
        if arguments == ["--check"]:
            sys.stderr.write(f"{path} is out of date: {_COMMAND}\n")
        else:
            path.write_text(dbt_files()[path], encoding="utf-8")
    return 1 if different and arguments == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
