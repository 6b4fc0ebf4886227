"""dbt's page of the models: one file, written with the connection of the blocks."""

from __future__ import annotations

from pathlib import Path

from flows.dbt.project import mart_names
from tests.flows.models.conftest import Targets
from tests.flows.test_command_line import _prefects_console_speaks_again, answer  # noqa: F401 - a fixture


def test_the_page_has_every_mart_and_the_tables_columns_and_no_tracker(targets: Targets) -> None:
    targets.query("postgres", "create schema tlc_marts; select 1")
    targets.query("postgres", "create table tlc_marts.tips (fares real, of_this_test int); select 1")
    page = Path(answer("models", "docs")["page"]).read_text(encoding="utf-8")
    assert [mart for mart in mart_names() if f'"model.tlc.{mart}": ' not in page] == []
    assert '"of_this_test"' in page  # what the database has, not only what the project says
    assert '"send_anonymous_usage_stats": false' in page  # else the page loads a script of dbt's makers
