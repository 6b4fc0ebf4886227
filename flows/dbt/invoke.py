"""dbt's commands that are no build: they need no Prefect. Imported by dbt's own process alone."""

from __future__ import annotations

from typing import Any

from dbt.cli.main import dbtRunner

from flows.dbt.project import PROJECT


def invoke(arguments: list[str], target_path: str) -> Any:
    """What the command results in. Raises RuntimeError with what dbt says if it failed."""
    common = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", target_path]
    common += ["--log-path", f"{target_path}/logs", "--log-level", "none"]
    found: Any = dbtRunner().invoke([*arguments, *common])  # dbt's own classes have no types
    if not found.success:
        results = getattr(found.result, "results", [])
        failed = [one.message for one in results if str(one.status) in ("error", "fail")]
        said = [found.exception] if found.exception else failed
        raise RuntimeError(" ".join(str(said[0] if said else "no reason was given").split()))
    return found.result


def write_docs(target_path: str) -> None:
    """Write dbt's page of the models, with everything in it, as ``static_index.html`` in the folder."""
    invoke(["docs", "generate", "--static"], target_path)
