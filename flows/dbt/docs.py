"""Writes ``docs/models.md`` from the models' own descriptions: ``python -m flows.dbt.docs > docs/models.md``.

With ``--check`` it writes nothing and fails if the document is not what it would write.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import yaml

from flows.dbt.project import PROJECT
from flows.tlc.document import markdown_table, write_or_check

DOCUMENT = Path(__file__).parents[2] / "docs" / "models.md"

_INTRODUCTION = """\
# Models

Answers from the trips, made by [dbt](https://docs.getdbt.com) in Postgres, DuckDB or BigQuery: one project,
[`flows/analytics`](../flows/analytics/README.md), with the same tables and columns in each. Written by
`python -m flows.dbt.docs > docs/models.md` from its descriptions: change those.

```console
$ make models                                        # installs dbt, once, into an environment of its own
$ .venv/bin/python -m flows models build             # or: from flows import build_models; build_models()
$ .venv/bin/python -m flows models preview tips --month 2024-05    # first rows, without building it
$ make models-docs                                   # dbt's page of them: lineage, SQL, tables; DEMO=1: the demo's
```

Built are the months that were loaded, published again or removed since: each mart is replaced by file month
(`source_month`), whole or not at all, and the sum of its trips is compared with the [ledger](safety.md). The models of
the warehouse are built with `--target bigquery`. `backfill` and `sync_new_months` build once at their end with
`models=True`; the deployment `build-models` runs every morning.

Ten charts of them on one page, each with its query (`from flows import report`):

```console
$ .venv/bin/python -m flows report --open
```

Marts are in schema `tlc_marts`, views for questions of your own in `tlc_staging`; in BigQuery these are datasets beside
the trips' (`<its name>_marts`). Metabase finds them under these names in the database that it has
([how it connects](analyse.md#dbeaver-and-metabase)); Looker Studio takes a mart of BigQuery as a data source, and
`source_month` as its date range. Below each example are the first rows of its answer on the months of `make demo`.
"""


def models_document() -> str:
    """The whole document, as Markdown that ends with a line break."""
    marts, core = (_described(PROJECT / "models" / name) for name in ("marts/marts.yml", "core/core.yml"))
    parts = [
        _INTRODUCTION,
        "## Marts\n",
        markdown_table(["Mart", "A row for each"], [_grain(mart) for mart in marts]),
        "",
    ]
    for mart in marts:
        parts += [f"### {mart['name']}", "", _wrapped(mart["description"]), "", _columns(mart)]
        parts += ["", f"```sql\n{mart['config']['meta']['example'].rstrip()}\n```", "", _answer(mart), ""]
    parts += ["## Views in `tlc_staging`\n"]
    for view in core:
        columns = ["", _columns(view)] if "columns" in view else []
        parts += [f"### {view['name']}", "", _wrapped(view["description"]), *columns, ""]
    return "\n".join(parts).rstrip() + "\n"


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 120, break_on_hyphens=False))


def _described(path: Path) -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    return models


def _grain(mart: dict[str, Any]) -> list[str]:
    return [f"[`{mart['name']}`](#{mart['name']})", mart["config"]["meta"]["grain"]]


def _columns(model: dict[str, Any]) -> str:
    return markdown_table(["Column", "Meaning"], [[f"`{one['name']}`", one["description"]] for one in model["columns"]])


def _answer(mart: dict[str, Any]) -> str:
    """The first rows of the example's answer on the demo."""
    rows: list[dict[str, str]] = mart["config"]["meta"]["answer"]
    if not rows:
        return "The months of `make demo` have no answer to that."
    return markdown_table(list(rows[0]), [list(row.values()) for row in rows])


def main(arguments: list[str]) -> int:
    """Write the document to stdout, or with ``--check`` compare it; returns the exit code."""
    return write_or_check(arguments, DOCUMENT, models_document(), "flows.dbt.docs")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
