"""docs/extend.md: its column is added to a schema as it stands there, and the files that it names are there."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.tlc.dataset import Dataset, read_toml
from flows.tlc.errors import UnknownColumn
from flows.tlc.month import Month
from flows.tlc.schema import build_schema, schema_of
from flows.transform.conform import plan_conform

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "extend.md").read_text(encoding="utf-8")
MONTH = Month(2026, 11)
RAW = pa.record_batch({"lpep_pickup_datetime": ["2026-11-01 21:00:00"], "Night_Fee": [0.5]})


def entry_of_the_page() -> str:
    (entry,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    return entry


def test_file_with_the_column_is_refused_in_the_words_of_the_page(tmp_path: Path) -> None:
    file = tmp_path / "green_tripdata_2026-11.parquet"
    pq.write_table(pa.table(RAW), file)
    command = [sys.executable, "-m", "flows", "preview", "green", "--file", str(file)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    (promised,) = re.findall(r"^green 2026-11: .*$", PAGE, flags=re.MULTILINE)
    assert promised.split() == (done.stdout + done.stderr).split()


def test_entry_of_the_page_makes_the_column(tmp_path: Path) -> None:
    with pytest.raises(UnknownColumn):
        plan_conform(schema_of(Dataset.green), MONTH, RAW.schema.names)
    file = tmp_path / "green.toml"
    declared = (PROJECT / "flows" / "tlc" / "schemas" / "green.toml").read_text(encoding="utf-8")
    file.write_text(f"{declared}\n{entry_of_the_page()}", encoding="utf-8")
    own: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    schema = build_schema(Dataset.green, own, read_toml("schemas/shared.toml"), str(file))
    trips = plan_conform(schema, MONTH, RAW.schema.names).conform(RAW).trips
    assert trips.column("night_fee").to_pylist() == [0.5]
    assert trips.schema.field("night_fee").type == pa.float64()
    # Months before it are not loaded again for it.
    before = MONTH.plus(-1)
    assert schema.version(before) == schema_of(Dataset.green).version(before)
    assert schema.version(MONTH) != schema_of(Dataset.green).version(MONTH)


def test_files_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"(?:flows|blocks|deployments|tests|docs)/[\w/]+(?:\.(?:py|toml|csv|md)\b|/)", PAGE))
    assert len(named) > 20
    assert [path for path in sorted(named) if not (PROJECT / path).exists()] == []


def test_tests_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"\btest_\w+\.py", PAGE))
    assert named
    assert named <= {file.name for file in (PROJECT / "tests").rglob("test_*.py")}
