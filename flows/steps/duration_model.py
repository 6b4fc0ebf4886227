# target: postgres
# reads: tlc.green_trips, tlc.yellow_trips
# writes: steps/duration_model/
# parameters: dataset=green
"""How long does a trip take? A model that learns from one month, and is scored on the next."""

import io
import json
import os
import sys
from pathlib import Path

import adbc_driver_postgresql.dbapi as postgres
import pyarrow as pa
import pyarrow.fs

# Two threads that wait for each other took 26 s in place of 1 on two cores that others used, too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
try:
    import joblib
    import sklearn
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error
except ImportError:
    sys.exit("scikit-learn is not installed: pip install 'nyc-taxi-flows[steps]'")

FEATURES = ["hour", "weekday", "trip_distance", "pu_location_id", "do_location_id"]
PICKUPS = {"green": "lpep", "yellow": "tpep"}
# Trips of a minute to two hours: what is outside is mostly a meter that was forgotten.
TRIPS = """
    select minutes, extract(hour from pickup)::float8 as hour, extract(isodow from pickup)::float8 as weekday,
           trip_distance, pu_location_id::float8 as pu_location_id, do_location_id::float8 as do_location_id
    from (select *, {of}_pickup_datetime as pickup,
                 (extract(epoch from {of}_dropoff_datetime - {of}_pickup_datetime) / 60)::float8 as minutes
          from tlc.{dataset}_trips where source_month = '{month}-01') trips
    where minutes between 1 and 120 and trip_distance > 0
"""


def next_month(month: str) -> str:
    year, number = divmod(int(month[:4]) * 12 + int(month[5:]), 12)
    return f"{year}-{number + 1:02d}"


def read_trips(dataset: str, month: str) -> pa.Table:
    with postgres.connect("postgresql://") as connection, connection.cursor() as cursor:
        cursor.execute(TRIPS.format(dataset=dataset, month=month, of=PICKUPS[dataset]))
        trips = cursor.fetch_arrow_table()
    print(f"{dataset} {month}: {trips.num_rows:,} trips", flush=True)
    return trips if trips.num_rows else sys.exit(f"{dataset} {month} is not loaded into Postgres: load it first")


def save(name: str, content: bytes) -> str:
    """Write it beside the lake, a folder or a bucket."""
    url = f"{os.environ['TLC_LAKE_URL']}/steps/duration_model/{name}"
    files, path = pyarrow.fs.FileSystem.from_uri(url)
    files.create_dir(os.path.dirname(path))
    with files.open_output_stream(path) as out:
        out.write(content)
    return url


dataset, month = os.environ.get("TLC_DATASET", "green"), os.environ["TLC_MONTH"]
if dataset not in PICKUPS:
    sys.exit(f"dataset={dataset}: choose from {', '.join(PICKUPS)}")
trained, scored = read_trips(dataset, month), read_trips(dataset, next_month(month))
model = HistGradientBoostingRegressor(random_state=0)
model.fit(trained.select(FEATURES).to_pandas(), trained["minutes"].to_pandas())

took = scored["minutes"].to_pandas()
guesses = {
    "the model": model.predict(scored.select(FEATURES).to_pandas()),
    "the mean of all trips": [trained["minutes"].to_pandas().mean()] * len(took),
}
rows = [
    f"| {name} | {mean_absolute_error(took, guess):.2f} | {root_mean_squared_error(took, guess):.2f} |"
    for name, guess in guesses.items()
]
about = {
    "trained_on": f"{dataset} {month}",
    "trips": trained.num_rows,
    "scored_on": f"{dataset} {next_month(month)}",
    "scored_trips": scored.num_rows,
    "features": FEATURES,
    "mean_absolute_error": round(mean_absolute_error(took, guesses["the model"]), 4),
    "naive_mean_absolute_error": round(mean_absolute_error(took, guesses["the mean of all trips"]), 4),
    "scikit_learn": sklearn.__version__,
}
buffer = io.BytesIO()
joblib.dump(model, buffer)
where = save(f"{dataset}-{month}.joblib", buffer.getvalue())
save(f"{dataset}-{month}.json", json.dumps(about, indent=2).encode())

report = f"""## Minutes of a {dataset} trip

Trained on {trained.num_rows:,} trips of {month}, scored on {scored.num_rows:,} of {next_month(month)}.

| guess | mean error, minutes | root of the mean squared error |
| --- | ---: | ---: |
{chr(10).join(rows)}

The model and what it has seen: {where}
"""
(Path(os.environ.get("TLC_OUTPUT", ".")) / "duration_model.md").write_text(report, encoding="utf-8")
print(report)
