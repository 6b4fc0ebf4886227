"""What trips earn: by zone, by quarter, by the fare, in tips."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from flows.charts.chart import Chart, Row
from flows.charts.style import HEIGHT, NARROW, TRIPS_TIP, WIDTH, chart_of, months, services

_DOLLARS = alt.Axis(format="$~s")


def _draw_zones(rows: Sequence[Row]) -> alt.TopLevelMixin:
    return (
        chart_of(rows)
        .properties(width=NARROW)
        .mark_bar()
        .encode(
            x=alt.X("revenue:Q", title="revenue", axis=_DOLLARS),
            y=alt.Y("zone:N", title=None, sort="-x"),
            color=alt.Color("borough:N", title="borough", scale=alt.Scale(scheme="tableau10")),
            tooltip=[
                "zone:N",
                "borough:N",
                alt.Tooltip("revenue:Q", format="$,.2f"),
                TRIPS_TIP,
            ],
        )
    )


ZONES = Chart(
    "monthly-zone-revenue",
    "Revenue by zone",
    "The 15 pickup zones in which passengers were charged most, all months together. Left out: the other zones, and "
    "fhv, which has no fares.",
    """
select
    coalesce(zone, 'no known zone') as zone,
    coalesce(borough, 'none') as borough,
    cast(sum(trips) as bigint) as trips,
    sum(revenue) as revenue
from $marts.monthly_zone_revenue
where source_month between date '$first' and date '$last' and revenue is not null
group by 1, 2
order by 4 desc, 1, 2
limit 15
""",
    _draw_zones,
)


def _draw_quarters(rows: Sequence[Row]) -> alt.TopLevelMixin:
    named = [{**row, "when": f"{row['year']} Q{row['quarter']}"} for row in rows]
    when = alt.X(
        "when:O",
        title=None,
        scale=alt.Scale(domain=sorted({row["when"] for row in named})),
        axis=alt.Axis(labelAngle=-45, labelOverlap="greedy"),
    )
    percent = alt.Tooltip("percent:Q", title="% above the year before", format="+.1f")
    revenue = (
        chart_of(named)
        .mark_bar()
        .encode(
            x=when,
            y=alt.Y("revenue:Q", title="revenue", axis=_DOLLARS),
            color=services(),
            opacity=alt.condition("datum.months == 3", alt.value(1), alt.value(0.5)),
            tooltip=["when:O", "service:N", alt.Tooltip("revenue:Q", format="$,.2f"), "months:O", percent],
        )
    )
    compared = [row for row in named if row["percent"] is not None]
    if not compared:
        return revenue
    change = (
        chart_of(compared)
        .properties(height=HEIGHT // 2)
        .mark_point(filled=True, size=60)
        .encode(
            x=when,
            y=alt.Y("percent:Q", title="% year on year"),
            color=services(),
            tooltip=["when:O", "service:N", percent],
        )
    )
    return revenue.properties(height=HEIGHT * 2 // 3) & change


QUARTERS = Chart(
    "quarterly-revenue",
    "Quarters, year on year",
    "Revenue of each quarter's loaded months, paler if not all three are; below, by how many percent a quarter is "
    "above the same one of the year before, if both are loaded whole. Left out: fhv, which has no fares.",
    """
select
    year,
    quarter,
    service,
    max(quarter_months) as months,
    max(quarter_revenue) as revenue,
    max(year_on_year_percent) as percent
from $marts.quarterly_revenue
where source_month between date '$first' and date '$last' and quarter_revenue is not null
group by year, quarter, service
order by year, quarter, service
""",
    _draw_quarters,
)


def _draw_fares(rows: Sequence[Row]) -> alt.TopLevelMixin:
    percentiles = [alt.Tooltip(f"{name}:Q", format="$.2f") for name in ("p25", "p50", "p75", "p95")]
    rows_chart = chart_of(rows).encode(
        x=months(), tooltip=[alt.Tooltip("month:O"), alt.Tooltip("service:N"), *percentiles]
    )
    layers = alt.layer(
        rows_chart.mark_bar(opacity=0.45).encode(
            y=alt.Y("p25:Q", title="fare", axis=_DOLLARS), y2="p75:Q", color=services(legend=None)
        ),
        rows_chart.mark_tick(color="#111827", thickness=2).encode(y="p50:Q"),
        rows_chart.mark_point(color="#6b7280", shape="triangle-up", size=25).encode(y="p95:Q"),
    )
    count = len({row["service"] for row in rows})
    return layers.properties(width=WIDTH // count - 30).facet(column=alt.Column("service:N", title=None))


FARES = Chart(
    "monthly-fare-percentiles",
    "What a trip costs",
    "Half of a month's fares are within the bar, the median is its line, 5 % are above the triangle. Left out: trips "
    "without a fare or a distance above 0, taxi trips paid neither by card nor in cash, and fhv, which has no fares.",
    """
select source_month as month, service, trips, p25, p50, p75, p95
from $marts.monthly_fare_percentiles
where source_month between date '$first' and date '$last'
order by source_month, service
""",
    _draw_fares,
)


def _draw_tips(rows: Sequence[Row]) -> alt.TopLevelMixin:
    return (
        chart_of(rows)
        .mark_bar()
        .encode(
            x=alt.X("percent:Q", title="tips in % of fares"),
            y=alt.Y("payment:N", title=None),
            yOffset=alt.YOffset("service:N"),
            color=services(),
            tooltip=[
                "payment:N",
                "service:N",
                alt.Tooltip("percent:Q", format=".1f"),
                TRIPS_TIP,
                alt.Tooltip("tips:Q", format="$,.2f"),
            ],
        )
    )


TIPS = Chart(
    "tips",
    "Tips by payment",
    "Tips in percent of fares, all months together. Taxis report tips by card alone, so those in cash look like none. "
    "Left out: fhv, which has no tips, and payments whose fares sum up to 0 or less.",
    """
select payment, service, trips, tips, 100.0 * tips / fares as percent
from (
    select
        coalesce(payment, case when service = 'fhvhv' then 'In the app' else 'Not said' end) as payment,
        service,
        cast(sum(trips) as bigint) as trips,
        sum(fares) as fares,
        sum(tips) as tips
    from $marts.tips
    where source_month between date '$first' and date '$last'
    group by 1, 2
) as summed
where fares > 0
order by payment, service
""",
    _draw_tips,
)
