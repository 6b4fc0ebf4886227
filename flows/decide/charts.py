"""What a report of the models came to. Plain values."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from flows.decide.models import ModelsTarget


class DrawnChart(BaseModel):
    """A chart of the report."""

    key: str
    title: str
    rows: int = Field(description="Rows of the query; a chart of none is not drawn")
    query: str = Field(description="The query, as it can be run by hand")


class ChartsReport(BaseModel):
    """What drawing the models came to."""

    target: ModelsTarget
    place: str = Field(description="Where the models are")
    months: list[str] = Field(description="The months that are shown, YYYY-MM")
    page: str = Field(description="The HTML page's path")
    charts: list[DrawnChart]
    seconds: float = 0.0
    status: Literal["written"] = "written"

    @property
    def sentence(self) -> str:
        """The outcome in one sentence."""
        count = sum(chart.rows > 0 for chart in self.charts)
        months = "1 month" if len(self.months) == 1 else f"{len(self.months)} months"
        return f"{self.target}: {count} charts of {months} ({span_of(self.months)}) in {self.page}"


def span_of(months: list[str]) -> str:
    """``2024-01`` or ``2024-01 to 2024-05``."""
    return months[0] if months[0] == months[-1] else f"{months[0]} to {months[-1]}"
