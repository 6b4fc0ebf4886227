"""What an alert says: JSON as Slack's incoming webhooks take it, from templates that Prefect's server fills in."""

from __future__ import annotations

# Of the event that triggered: the run's name and what its state says, which for a failed run is the error's sentence.
RUN_NAME = "{{ event.resource['prefect.resource.name'] }}"
STATE_NAME = "{{ event.resource['prefect.state-name'] }}"
STATE_MESSAGE = "{{ event.resource['prefect.state-message'] | default('', true) | truncate(1500) }}"
# Needs PREFECT_UI_URL (or PREFECT_API_URL) in the server's environment: only the server knows the run when it is sent.
RUN_LINK = "{{ flow_run | ui_url }}"
# Of the run that another automation noticed: its event is within this one's.
LATE_RUN_NAME = "{{ event.payload.triggering_event.resource['prefect.resource.name'] }}"
LATE_RUN_LINK = (
    "{{ (automation | ui_url | default('', true)).split('/automations/')[0] }}/runs/flow-run/"
    "{{ event.payload.triggering_event.resource['prefect.resource.id'].split('.')[-1] }}"
)

# Slack reads &, < and > as its markup; in JSON, a quote or a line break of the sentence has to be escaped as well.
_JSON = """{%- set text -%}
TEXT
{%- endset -%}
{"text": {{ text | trim | replace("&", "&amp;") | replace("<", "&lt;") | replace(">", "&gt;") | tojson }}}"""


def slack_payload(text: str) -> str:
    """The template of a webhook's body that says ``text``, itself a template."""
    return _JSON.replace("TEXT", text)
