"""Every alert, from what happened to the message in the channel: real server, real processes, a webhook on loopback."""

from __future__ import annotations

import re
import time
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter

from blocks.events import MONTH_LOADED
from deployments.server.alerts import NOTICE_LATE
from tests.e2e.platform import wait_for
from tests.integration.server.conftest import LATE_RUNS

DEAD = ("*killed*", "*forgotten*")
MONTHS_WITHOUT_ALERT = 15  # one a second

pytestmark = [pytest.mark.timeout(420), pytest.mark.usefixtures("bad_runs")]


def link(server) -> str:
    return rf"\n{server.ui_url}/runs/flow-run/[0-9a-f-]{{36}}$"


def test_failed_run_is_told_with_its_name_the_error_and_a_link(server, receiver) -> None:
    text = receiver.wait_for("*green 2020-12 → postgres* Failed: ")
    # Slack reads &, < and > as markup: they come as it wants them.
    assert 'green 2020-12: the server "db" &lt;down&gt; &amp; out. Start it.' in text
    assert re.search(link(server), text)


def test_run_that_took_too_long_is_told(receiver) -> None:
    receiver.wait_for("*too slow* TimedOut: Flow run exceeded timeout")


def test_differences_are_told_with_dataset_months_and_sentence(server, receiver) -> None:
    text = receiver.wait_for("*reconcile* green: Postgres lacks 12 rows. (2020-11, 2020-12)")
    assert re.search(link(server), text)


def test_killed_run_is_crashed_and_told(server, receiver) -> None:
    text = receiver.wait_for("*killed* Crashed: No heartbeat for 10 s: ")
    assert re.search(link(server), text)
    with server.as_client(), get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(text[-36:]))
    assert run.state is not None
    assert run.state.name == "Crashed"
    assert str(run.state.message).endswith("The month is as it was before; run it again.")


def test_runs_of_others_are_not_told(receiver) -> None:
    receiver.wait_for("*killed* Crashed: ")  # the last one: the other would have been told before
    assert not [text for text in receiver.texts if "somebody else" in text]


def test_run_that_no_worker_takes_is_told(server, receiver) -> None:
    text = receiver.wait_for("*waits in vain* is late: it is Late for 10 s.")
    assert re.search(link(server), text)
    with server.as_client(), get_client(sync_client=True) as client:
        assert client.read_flow_run(UUID(text[-36:])).name == "waits in vain"


def test_of_many_late_runs_one_is_told(server, receiver) -> None:
    with server.as_client(), get_client(sync_client=True) as client:

        def noticed() -> int:
            resource = EventResourceFilter(labels={"prefect.resource.name": NOTICE_LATE})
            event = EventNameFilter(name=["prefect.automation.triggered"])
            return client.read_events(EventFilter(event=event, resource=resource), limit=1).total

        wait_for("all are noticed", lambda: noticed() >= LATE_RUNS)
    receiver.wait_for(" is late: ")
    others = len(receiver.texts)
    wait_until(lambda: len(receiver.texts) > others)  # what is told later comes later: others would be there by then
    assert len([text for text in receiver.texts if " is late: " in text]) == 1


def test_run_that_a_worker_took_and_never_began_is_crashed_and_told(server, receiver) -> None:
    text = receiver.wait_for("*taken in vain* Crashed: A worker took this run, and 10 s later it has not begun: ")
    assert re.search(link(server), text)


def test_runs_that_a_killed_server_forgot_are_crashed_after_the_next_apply(server, forgotten) -> None:
    with server.as_client(), get_client(sync_client=True) as client:

        def messages() -> list[str]:
            states = [client.read_flow_run(run.id).state for run in forgotten]
            return [str(state.message) for state in states if state is not None and state.name == "Crashed"]

        wait_until(lambda: len(messages()) == 2)
        assert sorted(message[:12] for message in messages()) == ["A worker too", "No heartbeat"]


def test_runs_that_ended_are_not_told_as_silent(receiver) -> None:
    receiver.wait_for("*killed* Crashed: ")  # the last one: the others would have been told before
    assert [text for text in receiver.texts if "No heartbeat" in text and not text.startswith(DEAD)] == []


@pytest.mark.timeout(600)
def test_no_new_month_is_told_again_and_again_until_one_is_loaded(server, receiver) -> None:
    def told() -> int:
        return sum(text.startswith("*No new month* for 10 s.") for text in receiver.texts)

    wait_until(lambda: told() >= 2)
    with server.as_client():
        quiet = 0
        # Without the months, an alert comes every 10 s. With them some do if the server takes so long for their events.
        for _ in range(300):
            before = told()
            load_a_month()
            quiet = quiet + 1 if told() == before else 0
            if quiet == MONTHS_WITHOUT_ALERT:
                break
        assert quiet == MONTHS_WITHOUT_ALERT
    before = told()
    wait_until(lambda: told() > before)


def load_a_month() -> None:
    emit_event(MONTH_LOADED, resource={"prefect.resource.id": "tlc.month.postgres.green.2020-12"})
    time.sleep(1)


def wait_until(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_webhook_took_every_message(receiver) -> None:
    receiver.wait_for("*killed* Crashed: ")
    assert receiver.refused == []
