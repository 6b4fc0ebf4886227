"""What a step leaves in the UI: each file that can be shown, as an artifact."""

from __future__ import annotations

import csv
import re
from base64 import b64encode
from itertools import islice
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_image_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from flows.decide.step import StepReport
from flows.tlc.visible import in_markdown
from flows.ui.artifacts import show_markdown, show_table
from flows.ui.report import best_effort

_IMAGES = {".svg": "image/svg+xml", ".png": "image/png"}
# What the UI can bear; the file is whole.
MOST_FILES, MOST_ROWS, MOST_BYTES, MOST_CHARACTERS = 20, 200, 2_000_000, 500


@task(name="publish-step", task_run_name="publish the files of {report.file}", cache_policy=NO_CACHE)
def publish_step(report: StepReport) -> None:
    """Markdown as it is, the first rows of CSV and Parquet as tables, pictures as such."""
    get_run_logger().info("%s: %s in %s", report.status, ", ".join(report.files) or "no file", report.folder)
    name = Path(report.file).stem
    for path in report.paths[:MOST_FILES]:
        stem = "" if path.stem == name else f"-{path.stem}"
        key = re.sub("[^a-z0-9]+", "-", f"step-{report.file}{stem}{path.suffix}".lower())
        with best_effort(f"{path.name} is not shown"):
            _publish(path, key, f"{path.name} of {report.sentence}")


def _publish(path: Path, key: str, description: str) -> None:
    if path.suffix in (".csv", ".parquet"):
        rows = _rows_of(path)
        more = f", the first {MOST_ROWS} rows" if len(rows) > MOST_ROWS else ""
        show_table(rows[:MOST_ROWS], key, f"{description}{more}")
    elif path.suffix in (".md", *_IMAGES) and path.stat().st_size > MOST_BYTES:
        text = f"{in_markdown(path)} has {path.stat().st_size / 1e6:,.1f} MB: too large to be shown"
        show_markdown(text, key, description)
    elif path.suffix == ".md":
        text = path.read_text(encoding="utf-8", errors="replace")
        create_markdown_artifact(markdown=text.replace("\0", ""), key=key, description=in_markdown(description))
    elif path.suffix in _IMAGES:
        picture = b64encode(path.read_bytes()).decode()
        url = f"data:{_IMAGES[path.suffix]};base64,{picture}"
        create_image_artifact(image_url=url, key=key, description=in_markdown(description))


def _rows_of(path: Path) -> list[dict[str, Any]]:
    """One row more than is shown, if there are as many."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq  # noqa: PLC0415 - not with every step

        rows = next(pq.ParquetFile(path).iter_batches(MOST_ROWS + 1), None)
        found = rows.to_pylist() if rows else []
    else:
        with path.open(encoding="utf-8", errors="replace", newline="") as text:
            found = list(islice(csv.DictReader(text, restkey="…"), MOST_ROWS + 1))
    return [{name: _cell(value) for name, value in row.items()} for row in found]


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float) else str(value)[:MOST_CHARACTERS]
