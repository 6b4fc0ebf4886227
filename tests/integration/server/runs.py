"""Flow runs that end as the tests want, one after the other in one process; the last one hangs until it is killed.

They have the names of this project's flows, which are told of; one has not.
"""

from __future__ import annotations

import time
from contextlib import suppress

from prefect import flow
from prefect.events import emit_event

from blocks.events import RECONCILE_DIFFERS
from flows.tlc.errors import CheckFailed, TargetUnavailable


@flow(name="api-to-postgres", flow_run_name="green 2020-12 → postgres")
def fails() -> None:
    raise TargetUnavailable('the server "db" <down> & out. Start it.', dataset="green", month="2020-12")


@flow(name="api-to-gcs", flow_run_name="too slow", timeout_seconds=0.5)
def too_slow() -> None:
    while True:
        time.sleep(0.1)


@flow(name="reconcile", flow_run_name="reconcile green")
def differs() -> None:
    emit_event(
        RECONCILE_DIFFERS,
        resource={"prefect.resource.id": "tlc.dataset.green"},
        payload={"dataset": "green", "months": ["2020-11", "2020-12"], "sentence": "green: Postgres lacks 12 rows."},
    )
    raise CheckFailed("Postgres lacks 12 rows.", dataset="green")


@flow(flow_run_name="of somebody else")
def of_somebody_else() -> None:
    raise ValueError("no concern of ours")


@flow(name="backfill", flow_run_name="killed")
def hangs() -> None:
    print("hangs", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    for ends_badly in (of_somebody_else, fails, too_slow, differs):
        with suppress(Exception):
            ends_badly()
    hangs()
