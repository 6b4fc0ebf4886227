# Ten questions to what the demo loaded: make notebook. Each cell is one query of the warehouse, which only reads.

import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    import marimo as mo
    import pandas as pd

    from flows.tasks.query import open_query

    def ask(sql: str) -> pd.DataFrame:
        """The rows of one SELECT of the warehouse (tlc-warehouse); put "postgres" or "lake" to ask there."""
        with open_query("warehouse", sql) as rows:
            return rows.read_pandas()

    return ask, mo


@app.cell
def _(ask, mo):
    answer_1 = ask(
        """
        select source_month, count(*) as trips, sum(total_amount) as paid from tlc.green_trips
        group by source_month order by source_month
        """
    )
    mo.vstack([mo.md("## 1. How many trips, and how much was paid?"), answer_1])
    return (answer_1,)


@app.cell
def _(ask, mo):
    answer_2 = ask(
        """
        select z.zone, count(*) as trips from tlc.green_trips t
        join tlc.zones z on z.location_id = t.pu_location_id group by z.zone order by trips desc limit 10
        """
    )
    mo.vstack([mo.md("## 2. Where do trips begin?"), answer_2])
    return (answer_2,)


@app.cell
def _(ask, mo):
    answer_3 = ask(
        """
        select z.zone, count(*) as trips, avg(total_amount) as mean_total from tlc.green_trips t
        join tlc.zones z on z.location_id = t.pu_location_id
        group by z.zone having count(*) >= 10 order by mean_total desc limit 10
        """
    )
    mo.vstack([mo.md("## 3. Which zones earn most a trip, of those with ten trips or more?"), answer_3])
    return (answer_3,)


@app.cell
def _(ask, mo):
    answer_4 = ask(
        """
        select p.name, count(*) as trips from tlc.green_trips t
        join tlc.payment_types p on p.code = t.payment_type group by p.name order by trips desc
        """
    )
    mo.vstack([mo.md("## 4. How do riders pay?"), answer_4])
    return (answer_4,)


@app.cell
def _(ask, mo):
    answer_5 = ask(
        """
        select p.name, sum(tip_amount) / sum(fare_amount) as tip_share from tlc.green_trips t
        join tlc.payment_types p on p.code = t.payment_type where fare_amount > 0
        group by p.name order by tip_share desc
        """
    )
    mo.vstack([mo.md("## 5. Who tips, as a share of the fare?"), answer_5])
    return (answer_5,)


@app.cell
def _(ask, mo):
    answer_6 = ask(
        """
        select hour(lpep_pickup_datetime) as hour, count(*) as trips from tlc.green_trips group by hour order by hour
        """
    )
    mo.vstack([mo.md("## 6. At what hour do trips begin?"), answer_6])
    return (answer_6,)


@app.cell
def _(ask, mo):
    answer_7 = ask(
        """
        select dayname(lpep_pickup_datetime) as day, count(*) as trips from tlc.green_trips
        group by day order by trips desc
        """
    )
    mo.vstack([mo.md("## 7. On which weekday are there most?"), answer_7])
    return (answer_7,)


@app.cell
def _(ask, mo):
    answer_8 = ask(
        """
        select quantile_cont(trip_distance, 0.5) as median, quantile_cont(trip_distance, 0.95) as p95
        from tlc.green_trips where trip_distance > 0
        """
    )
    mo.vstack([mo.md("## 8. How long are trips, in miles?"), answer_8])
    return (answer_8,)


@app.cell
def _(ask, mo):
    answer_9 = ask(
        """
        select hour(lpep_pickup_datetime) as hour, sum(trip_distance) / (sum(epoch(
            lpep_dropoff_datetime - lpep_pickup_datetime)) / 3600) as mph from tlc.green_trips
        where trip_distance between 0.1 and 100 and lpep_dropoff_datetime > lpep_pickup_datetime
        group by hour order by hour
        """
    )
    mo.vstack([mo.md("## 9. How fast are they, in miles an hour?"), answer_9])
    return (answer_9,)


@app.cell
def _(ask, mo):
    answer_10 = ask(
        """
        select dataset, month, rows_read, rows_rejected, rows_flagged from tlc.loads order by dataset, month
        """
    )
    mo.vstack([mo.md("## 10. What was odd about the rows of each load?"), answer_10])
    return (answer_10,)


if __name__ == "__main__":
    app.run()
