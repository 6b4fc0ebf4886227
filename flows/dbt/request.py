"""What the flow asks of dbt's process, and what it answers: a line of JSON each."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from flows.decide.models import ModelNode


class DbtRequest(BaseModel):
    """One run of dbt. Without ``months`` it takes all months.

    ``environment`` says to which database: what ``flows/analytics/profiles.yml`` reads, secrets among it.
    """

    environment: dict[str, str] = Field(repr=False)
    command: Literal["build", "preview", "docs"] = "build"
    months: list[str] = Field(default_factory=list)
    select: list[str] = Field(default_factory=list, description="Nodes, as dbt selects them; none: all")
    exclude: list[str] = Field(default_factory=list, description="Nodes that are not run, though selected")
    full_refresh: bool = False
    loads: list[tuple[str, str, str]] = Field(
        default_factory=list, description="Dataset, month's first day and loaded_at of the loads to record"
    )
    version: str = ""
    flow_run_id: str | None = Field(None, description="The flow run whose tasks the models and tests are")


class DbtAnswer(BaseModel):
    """What came of it. ``error`` is why dbt could not run at all; models and tests that failed are ``nodes``."""

    nodes: list[ModelNode] = Field(default_factory=list)
    error: str | None = None
    rows: int | None = Field(None, description="The rows of the previewed model")
    preview: list[dict[str, Any]] = Field(default_factory=list, description="Its first rows")
