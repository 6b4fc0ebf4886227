"""What a load did, in numbers: the one result type of every load flow, and the ledger's row."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, Field, model_validator

from flows.tlc.dataset import Source
from flows.tlc.identity import NewColumns

Status = Literal["loaded", "unchanged", "not_published"]
Target = Literal["postgres", "gcs", "bigquery"]
# Where a query is asked: the same places, in the words of who asks.
QueryTarget = Literal["postgres", "warehouse", "lake"]
# In the order of loading: what is loaded from the lake comes after it.
TARGETS: tuple[Target, ...] = get_args(Target)


class LoadReport(BaseModel):
    """What one load of one month into one target read, loaded, rejected and flagged.

    For ``unchanged`` the counts are those of the load that the target already has; for ``not_published`` they are 0.
    """

    dataset: str
    month: str = Field(description="The file's month, YYYY-MM")
    target: Target
    source_url: str
    source_etag: str | None = Field(None, description="ETag, or length and SHA-256 if the source gives none")
    rows_read: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    rejected_by_rule: dict[str, int] = Field(default_factory=dict, description="Rows, by the rule that rejected them")
    rows_flagged: int = Field(0, description="Loaded rows that break at least one rule")
    flagged_by_rule: dict[str, int] = Field(default_factory=dict, description="Loaded rows, by each rule they break")
    bytes_read: int = Field(0, description="Bytes downloaded by this run; 0 if the cache had them")
    seconds: float = 0.0
    status: Status = "loaded"
    # How it was loaded, to load it again likewise. None: by a version of this project that did not say.
    source: Source | None = Field(None, description="The source that the file came from")
    drop_rules: list[str] | None = Field(None, description="Rules whose rows were to be rejected, in order")
    new_columns: NewColumns | None = Field(None, description="What was to become of undeclared columns")

    @model_validator(mode="after")
    def _nothing_is_lost(self) -> LoadReport:
        if self.rows_read != self.rows_loaded + self.rows_rejected:
            raise ValueError(
                f"{self.dataset} {self.month}: {self.rows_read} rows read, but "
                f"{self.rows_loaded} loaded + {self.rows_rejected} rejected"
            )
        return self

    @property
    def rows_per_second(self) -> float:
        return self.rows_read / self.seconds if self.seconds else 0.0

    @property
    def warning(self) -> str | None:
        """What somebody should look at, though the month is loaded; None if there is nothing."""
        if 0 < self.rows_loaded == self.flagged_by_rule.get("pickup_outside_month"):
            return (
                f"every one of the {self.rows_loaded:,} trips was picked up outside {self.month}: the source may have "
                "the file of another month under this name"
            )
        return None
