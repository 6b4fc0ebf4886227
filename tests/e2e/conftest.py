"""One platform for the whole folder: it takes half a minute to come up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deployments.tlc_site.site import TripSite
from tests.e2e.platform import Platform, platform_up
from tests.servers.webhook_receiver import WebhookReceiver


@pytest.fixture(scope="package")
def platform(tlc: Path) -> Iterator[Platform]:
    """With the real trip files behind its source, and somebody of its own to tell."""
    with (
        TripSite([tlc / "cdn", tlc / "mirror"]) as site,
        closing(WebhookReceiver()) as alerts,
        platform_up(site, alerts) as running,
    ):
        yield running
