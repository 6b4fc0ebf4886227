"""The report as one HTML page that asks nothing of the internet, and its charts as SVG."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert
from jinja2 import Environment
from markupsafe import Markup

from flows.charts.chart import Chart, Row
from flows.charts.style import styled

_TEMPLATE = Path(__file__).with_name("page.html")
# "6.4" of "v6.4.1": the version of Vega-Lite that Altair writes for.
_VEGA_LITE = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
# ``ast``: expressions are interpreted, not compiled, which the page's policy forbids. Without links to the internet.
_EMBED = """
for (const chart of document.querySelectorAll(".chart")) {
  const spec = JSON.parse(chart.nextElementSibling.textContent);
  const actions = {export: true, source: false, compiled: false, editor: false};
  vegaEmbed(chart, spec, {renderer: "svg", ast: true, actions});
}
"""


@dataclass(frozen=True)
class Picture:
    """A chart with the rows that its query ``sql`` had: ``spec`` is None if there were none."""

    chart: Chart
    sql: str
    rows: int
    spec: dict[str, Any] | None

    @classmethod
    def of(cls, chart: Chart, sql: str, rows: Sequence[Row]) -> Picture:
        """Draw the rows."""
        return cls(chart, sql, len(rows), styled(chart.draw(rows)) if rows else None)

    @cached_property
    def svg(self) -> str | None:
        """The picture as an SVG document; None if there is nothing to show."""
        return vl_convert.vegalite_to_svg(self.spec, vl_version=_VEGA_LITE) if self.spec else None


def page_of(pictures: Sequence[Picture], *, months: str, place: str, written_at: datetime) -> str:
    """The page. Data reach it as JSON and escaped text alone, and its policy runs no other script than its own."""
    script = _script()
    environment = Environment(autoescape=True, trim_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False}  # no browser could read it
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        pictures=pictures,
        months=months,
        place=place,
        written_at=f"{written_at:%Y-%m-%d %H:%M} UTC",
        script=Markup(script),  # noqa: S704 - Vega's own and the lines above, no data
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


@cache
def _script() -> str:
    """Vega, Vega-Lite and Vega-Embed in one, and what draws the charts: 900 kB, 4 s, once a process."""
    return vl_convert.javascript_bundle(_EMBED, vl_version=_VEGA_LITE).replace("</script", "<\\/script")
