"""What Prefect's server makes of the templates of the alerts, without a server."""

from __future__ import annotations

import pytest
from prefect.server.events.jinja_filters import all_filters
from prefect.server.events.schemas.automations import Automation
from prefect.server.utilities.user_templates import register_user_template_filters, render_user_template_sync
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

from deployments.server.alert_payload import LATE_RUN_LINK, LATE_RUN_NAME

RUN = "0b5f9a0e-7a35-4f1c-8c4e-1f4a9c4b2d11"


@pytest.mark.parametrize("ui", ["http://127.0.0.1:4200", None])
def test_late_run_is_named_and_linked_also_if_the_server_has_no_address(ui: str | None) -> None:
    register_user_template_filters(all_filters)
    late = {"prefect.resource.id": f"prefect.flow-run.{RUN}", "prefect.resource.name": "waits in vain"}
    context = {
        "automation": Automation.model_construct(id="a"),
        "event": {"payload": {"triggering_event": {"resource": late}}},
    }
    with temporary_settings({PREFECT_UI_URL: ui, PREFECT_API_URL: None}):
        assert render_user_template_sync(LATE_RUN_NAME, context) == "waits in vain"
        assert render_user_template_sync(LATE_RUN_LINK, context) == f"{ui or ''}/runs/flow-run/{RUN}"
