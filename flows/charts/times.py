"""How long trips take: to the airports, and from zone to zone."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from flows.charts.chart import Chart, Row
from flows.charts.style import NARROW, TRIPS_TIP, chart_of

_MINUTES = alt.Axis(format=",d")


def _draw_airports(rows: Sequence[Row]) -> alt.TopLevelMixin:
    return (
        chart_of(rows)
        .transform_fold(["p50", "p90"], as_=["percentile", "minutes"])
        .mark_line(point=True)
        .encode(
            x=alt.X("hour:O", title="hour of the pickup", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("minutes:Q", title="minutes", axis=_MINUTES),
            color=alt.Color("airport:N", title="to", scale=alt.Scale(scheme="dark2")),
            strokeDash=alt.StrokeDash("percentile:N", title="percentile", legend=alt.Legend(symbolType="stroke")),
            tooltip=[
                "airport:N",
                "hour:O",
                "percentile:N",
                alt.Tooltip("minutes:Q", format=".1f"),
                TRIPS_TIP,
            ],
        )
    )


AIRPORTS = Chart(
    "airport-trips",
    "Minutes to the airports",
    "Half of the trips take less than p50, 90 % less than p90: those of each month, service and borough, averaged by "
    "their trips. Left out: trips without a drop-off time, or with one before the pickup.",
    """
select
    airport,
    pickup_hour as hour,
    cast(sum(trips) as bigint) as trips,
    sum(p50_minutes * trips) / sum(trips) as p50,
    sum(p90_minutes * trips) / sum(trips) as p90
from $marts.airport_trips
where source_month between date '$first' and date '$last'
group by airport, pickup_hour
order by airport, pickup_hour
""",
    _draw_airports,
)


def _draw_pairs(rows: Sequence[Row]) -> alt.TopLevelMixin:
    named = [{**row, "pair": f"{row['pu_zone']} → {row['do_zone']}"} for row in rows]
    order = [row["pair"] for row in named]
    base = (
        chart_of(named)
        .properties(width=NARROW)
        .encode(
            y=alt.Y("pair:N", title=None, sort=order),
            tooltip=[
                "pair:N",
                TRIPS_TIP,
                alt.Tooltip("p50:Q", format=".1f"),
                alt.Tooltip("p90:Q", format=".1f"),
            ],
        )
    )
    return alt.layer(
        base.mark_bar(height=3, color="#94a3b8").encode(x=alt.X("p50:Q", title="minutes", axis=_MINUTES), x2="p90:Q"),
        base.mark_point(filled=True, size=70, color="#2563eb").encode(x="p50:Q"),
        base.mark_point(filled=True, size=70, color="#dc2626").encode(x="p90:Q"),
    )


PAIRS = Chart(
    "fhv-travel-time",
    "From zone to zone",
    "The 15 pairs of zones with most fhv trips: half of the trips take less than the blue point, 90 % less than the "
    "red one, each month's averaged by its trips. Left out: other pairs and services, trips without both zones, and "
    "trips that have no drop-off time or one before the pickup.",
    """
select
    coalesce(pu_zone, 'no name') as pu_zone,
    coalesce(do_zone, 'no name') as do_zone,
    cast(sum(trips) as bigint) as trips,
    sum(p50_minutes * trips) / sum(trips) as p50,
    sum(p90_minutes * trips) / sum(trips) as p90
from $marts.fhv_travel_time
where source_month between date '$first' and date '$last'
group by 1, 2
order by 3 desc, 1, 2
limit 15
""",
    _draw_pairs,
)
