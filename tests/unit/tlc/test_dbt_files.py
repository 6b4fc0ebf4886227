"""What flows/analytics repeats of the schema files is what they say, and every mart is described and tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from flows.dbt.project import PROJECT, mart_names, project_version
from flows.tlc import dbt_files
from flows.tlc.codes import code_tables
from flows.tlc.dataset import Dataset
from flows.tlc.rules import rules_for
from flows.tlc.schema import schema_of

SQL = sorted((PROJECT / "models").rglob("*.sql")) + sorted((PROJECT / "macros").rglob("*.sql"))
MARTS = {model["name"]: model for model in yaml.safe_load((PROJECT / "models/marts/marts.yml").read_text())["models"]}


def test_files_are_what_the_schema_files_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    assert dbt_files.main(["--check"]) == 0
    for folder in ("models/staging", "macros"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(dbt_files, "PROJECT", tmp_path)
    assert dbt_files.main(["--check"]) == 1
    assert "is out of date: python -m flows.tlc.dbt_files" in capsys.readouterr().err
    assert dbt_files.main([]) == 0
    assert dbt_files.main(["--check"]) == 0


def test_every_column_rule_and_code_table_is_there() -> None:
    sources = yaml.safe_load((PROJECT / "models/staging/sources.yml").read_text())["sources"][0]["tables"]
    tables = {table["name"]: [column["name"] for column in table.get("columns", ())] for table in sources}
    for dataset in Dataset:
        assert tables[f"{dataset}_trips"] == list(schema_of(dataset).names)
        rules = (PROJECT / "macros/rules.sql").read_text()
        assert all(f"'{rule.name}'" in rules for rule in rules_for(schema_of(dataset)))
    assert {table.name for table in code_tables()} | {"loads"} <= tables.keys()


@pytest.mark.parametrize("name", mart_names())
def test_every_mart_says_its_grain_its_columns_and_what_it_leaves_out(name: str) -> None:
    mart = MARTS[name]
    assert mart["config"]["meta"]["grain"]
    assert re.search(r"Leaves out ", mart["description"]), "each mart says which rows it leaves out"
    assert mart["columns"][0]["name"] == "source_month"
    assert all(len(column["description"]) > 8 for column in mart["columns"])
    tests = [next(iter(test)) if isinstance(test, dict) else test for test in mart["data_tests"]]
    assert "one_row_per" in tests
    assert {"matches_ledger", "loaded_as_ledger_says"} & set(tests), "each mart is tied to the ledger"


def test_only_what_all_three_engines_know() -> None:
    text = "\n".join(re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL) for path in SQL)
    assert not re.search(r"\bqualify\b|::|\bilike\b", text)
    assert not (PROJECT / "packages.yml").exists()


def test_the_version_changes_with_the_sql_and_not_with_comments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("flows.dbt.project.PROJECT", tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "dbt_project.yml").touch()
    model = tmp_path / "models" / "a.sql"
    model.write_text("select 1 as one")
    first = project_version()
    model.write_text("{#- why -#}\nselect 1   as one -- one\n")
    assert project_version() == first
    model.write_text("select 2 as one")
    assert project_version() != first
