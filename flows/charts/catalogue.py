"""The charts of the report, in the order of the page: one of each mart."""

from __future__ import annotations

from string import Template

from flows.charts.chart import Chart
from flows.charts.money import FARES, QUARTERS, TIPS, ZONES
from flows.charts.times import AIRPORTS, PAIRS
from flows.charts.volume import HOURS, QUALITY, SHARE, TRIPS

CHARTS: tuple[Chart, ...] = (TRIPS, SHARE, ZONES, HOURS, TIPS, AIRPORTS, QUARTERS, FARES, PAIRS, QUALITY)

# The months that the models have, in order.
MONTHS = Template("select distinct source_month as month from $marts.monthly_zone_revenue order by month")
