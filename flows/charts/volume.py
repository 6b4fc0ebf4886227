"""How many trips there are: by service, by company, by hour of the week; and how many are odd."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from flows.charts.chart import Chart, Row
from flows.charts.style import HEIGHT, TRIPS_TIP, WIDTH, chart_of, companies, months, services

_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def _draw_trips(rows: Sequence[Row]) -> alt.TopLevelMixin:
    return (
        chart_of(rows)
        .mark_bar()
        .encode(
            x=months(),
            y=alt.Y("trips:Q", title="trips", axis=alt.Axis(format="~s")),
            color=services(),
            tooltip=["month:O", "service:N", TRIPS_TIP],
        )
    )


TRIPS = Chart(
    "daily-trips",
    "Trips by service",
    "Trips a file month, of each service. Nothing is left out.",
    """
select source_month as month, service, cast(sum(trips) as bigint) as trips
from $marts.daily_trips
where source_month between date '$first' and date '$last'
group by source_month, service
order by source_month, service
""",
    _draw_trips,
)


def _draw_share(rows: Sequence[Row]) -> alt.TopLevelMixin:
    return (
        chart_of(rows)
        .mark_bar()
        .encode(
            x=months(),
            y=alt.Y("percent:Q", title="% of trips", scale=alt.Scale(domain=[0, 100])),
            color=companies(),
            tooltip=[
                "month:O",
                "company:N",
                alt.Tooltip("percent:Q", format=".1f"),
                TRIPS_TIP,
            ],
        )
    )


SHARE = Chart(
    "service-share",
    "Who drives",
    "Share in the trips that are loaded for a month: taxis, Uber, Lyft and others (black cars, Via, Juno). Compare "
    "months of which all services are loaded. Nothing is left out.",
    """
select
    source_month as month,
    company,
    cast(sum(trips) as bigint) as trips,
    sum(percent_of_trips) as percent
from $marts.service_share
where source_month between date '$first' and date '$last'
group by source_month, company
order by source_month, company
""",
    _draw_share,
)


def _draw_hours(rows: Sequence[Row]) -> alt.TopLevelMixin:
    named = [{**row, "day": _DAYS[row["weekday"] - 1]} for row in rows]
    return (
        chart_of(named)
        .mark_rect()
        .encode(
            x=alt.X("hour:O", title="hour of the pickup", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("day:O", title=None, sort=_DAYS),
            color=alt.Color("trips:Q", title="trips", scale=alt.Scale(scheme="blues"), legend=alt.Legend(format="~s")),
            tooltip=["day:O", "hour:O", TRIPS_TIP],
        )
    )


HOURS = Chart(
    "hourly-zone-trips",
    "Hours of the week",
    "Trips of all services by the weekday and hour of their pickup, New York time. Nothing is left out.",
    """
select
    cast($weekday as bigint) as weekday, -- Monday is 1
    cast(extract(hour from pickup_hour) as bigint) as hour,
    cast(sum(trips) as bigint) as trips
from $marts.hourly_zone_trips
where source_month between date '$first' and date '$last'
group by 1, 2
order by 1, 2
""",
    _draw_hours,
)


def _draw_quality(rows: Sequence[Row]) -> alt.TopLevelMixin:
    return (
        chart_of(rows)
        .properties(width=WIDTH, height=HEIGHT // 2)
        .mark_bar()
        .encode(
            x=months(),
            y=alt.Y("percent:Q", title="% of rows"),
            color=alt.Color("rule:N", title="rule", scale=alt.Scale(scheme="tableau20")),
            row=alt.Row("outcome:N", title=None, header=alt.Header(labelFontWeight="bold")),
            tooltip=[
                "month:O",
                "outcome:N",
                "rule:N",
                alt.Tooltip("percent:Q", format=".3f"),
                alt.Tooltip("trips:Q", title="rows", format=",d"),
            ],
        )
        .resolve_scale(y="independent")
    )


QUALITY = Chart(
    "month-quality",
    "Quality by month",
    "Rows that break a rule, in percent of all rows of the month's files: flagged (loaded all the same) and rejected. "
    "A row that breaks two rules is in both. Left out: months of which no row does.",
    """
select month, outcome, rule, trips, 100.0 * trips / file_rows as percent
from (
    select
        source_month as month,
        outcome,
        rule,
        cast(sum(trips) as bigint) as trips,
        sum(sum(case when outcome = 'loaded' or outcome = 'rejected' then trips else 0 end))
            over (partition by source_month) as file_rows
    from $marts.month_quality
    where source_month between date '$first' and date '$last'
    group by source_month, outcome, rule
) as counted
where (outcome = 'flagged' or outcome = 'rejected') and file_rows > 0
order by month, outcome, rule
""",
    _draw_quality,
)
