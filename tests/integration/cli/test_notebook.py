"""The notebook of ten questions runs, and each of its questions has an answer."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from deployments.local.notebook import NOTEBOOK
from flows.load.duckdb.month import DuckDbWarehouse
from flows.load.lake.codes import replace_codes
from flows.load.lake.folder import FolderLake
from flows.tlc.codes import schema_codes, zone_rows


def test_ten_questions_are_answered(local: Path) -> None:
    lake = FolderLake(local / "local" / "lake")
    zones = [(number, "Queens", f"Zone {number}", "Boro Zone") for number in range(1, 266)]
    replace_codes(lake, [*schema_codes(), zone_rows(zones, "v1")])
    DuckDbWarehouse(local / "local" / "warehouse.duckdb").load_codes(lake)
    spec = importlib.util.spec_from_file_location("ten_questions", NOTEBOOK)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    _, defined = module.app.run()
    answers = [defined[f"answer_{number}"] for number in range(1, 11)]
    assert [answer.empty for answer in answers] == [False] * 10
    assert answers[0]["trips"].tolist() == [300, 200]
    assert "Credit card" in answers[3]["name"].tolist()
    assert answers[9]["rows_read"].tolist() == [300, 200]
