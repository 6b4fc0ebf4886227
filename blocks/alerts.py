"""From the URL of a Slack-style incoming webhook to the block that the automations call."""

from __future__ import annotations

from urllib.parse import urlsplit

from prefect.blocks.webhook import Webhook
from pydantic import SecretStr


def alert_webhook(url: SecretStr) -> Webhook:
    """The block for an incoming webhook of Slack, Mattermost, Discord (with ``/slack``) or whatever takes their JSON.

    Its URL is the secret. Raises ValueError, without showing it, if that is no URL to post to.
    """
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(
            "TLC_ALERT_WEBHOOK_URL is no URL that begins with https:// or http:// (it is not shown here: it is a "
            "secret). Copy the whole URL of the incoming webhook."
        )
    return Webhook(url=url, headers={"Content-Type": "application/json"})
