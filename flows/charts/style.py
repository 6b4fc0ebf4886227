"""What charts have in common: colours, sizes, axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from flows.charts.chart import Row
from flows.tlc.dataset import Dataset

# Pixels of what is drawn in, without axes and legend; narrow beside long names.
WIDTH, NARROW, HEIGHT = 560, 360, 260
TRIPS_TIP = alt.Tooltip("trips:Q", format=",d")
_COLOURS = {"yellow": "#eab308", "green": "#16a34a", "fhv": "#64748b", "fhvhv": "#2563eb"}
_COMPANIES = {
    "Yellow taxi": "#eab308",
    "Green taxi": "#16a34a",
    "Uber": "#111827",
    "Lyft": "#db2777",
    "Other": "#94a3b8",
}


def chart_of(rows: Sequence[Row]) -> alt.Chart:
    """A chart of these rows, which stand in it."""
    return alt.Chart(alt.InlineData(values=[dict(row) for row in rows]), width=WIDTH, height=HEIGHT)


def months() -> alt.X:
    """A place a month that is there, in order. A month that is not loaded has none."""
    return alt.X("month:O", title=None, axis=alt.Axis(labelAngle=-45, labelOverlap="greedy"))


def services(**options: Any) -> alt.Color:
    """A colour a dataset."""
    scale = alt.Scale(domain=[str(dataset) for dataset in Dataset], range=[_COLOURS[dataset] for dataset in Dataset])
    return alt.Color("service:N", title="service", scale=scale, **options)


def companies() -> alt.Color:
    """A colour a company."""
    return alt.Color("company:N", title=None, scale=alt.Scale(domain=list(_COMPANIES), range=list(_COMPANIES.values())))


def styled(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """The chart's Vega-Lite specification, in the report's style."""
    spec = chart.to_dict()
    spec["config"] = {
        "font": "system-ui, sans-serif",
        "background": "#ffffff",
        "view": {"stroke": None},
        "axis": {"gridColor": "#e5e7eb", "domainColor": "#9ca3af", "labelColor": "#374151", "titleColor": "#374151"},
        "legend": {"labelLimit": 240},
        "axisY": {"labelLimit": 260},
    }
    return spec
