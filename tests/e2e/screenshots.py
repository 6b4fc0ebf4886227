"""``make screenshots``: the README's pictures of UI and report, from a platform of their own with made-up months."""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect
from prefect.client.schemas.objects import FlowRun

from deployments.server.declared import PROJECT
from deployments.tlc_site.fake_tlc_site import fake_tlc_site
from flows.tlc.dataset import Dataset
from tests.e2e.browser import HOW_TO_GET_IT, Ui, find_chromium, ui_in_browser
from tests.e2e.platform import Platform, platform_up
from tests.servers.webhook_receiver import WebhookReceiver

IMAGES = PROJECT / "docs" / "images"
MOST_BYTES = 150_000
MONTHS = {"start_month": "2024-01", "end_month": "2024-05"}
TARGETS = ["postgres", "gcs", "bigquery"]


def main() -> None:
    """Bring a platform up, load months, take the pictures, bring it down."""
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit(HOW_TO_GET_IT)
    with (
        tempfile.TemporaryDirectory(prefix="tlc-screenshots-") as folder,
        fake_tlc_site(Path(folder)) as site,
        closing(WebhookReceiver()) as alerts,
        platform_up(site, alerts) as platform,
        ui_in_browser(chromium, platform.api.removesuffix("/api"), platform.login, height=820) as ui,
    ):
        for dataset in Dataset:
            targets = TARGETS if dataset is Dataset.green else ["postgres"]
            complete(platform, "backfill", dataset=str(dataset), **MONTHS, targets=targets)
        take_form(ui)
        take_run(ui, platform)
        take_chart(ui)
        take_report(ui, platform)


def complete(platform: Platform, deployment: str, **parameters: Any) -> FlowRun:
    """A run that is over."""
    run = platform.submit(deployment, **parameters)
    platform.wait_for_state(run, "Completed")
    return run


def take_form(ui: Ui) -> None:
    """The form of the deployment that loads one month."""
    ui.open_form("load-month")
    ui.write("month (Optional)", "2024-06")
    ui.page.mouse.click(5, 5)
    save(ui.page, "form", height=780)


def take_run(ui: Ui, platform: Platform) -> None:
    """A run with its tasks as they were, and what it left."""
    run = complete(platform, "load-month", dataset="yellow", month="2024-05", targets=TARGETS, force=True)
    ui.page.goto(f"{ui.url}/v2/runs/flow-run/{run.id}?tab=Artifacts")
    expect(ui.page.get_by_text("yellow-2024-05-days").last).to_be_visible()
    ui.page.wait_for_timeout(8000)  # until the picture of the tasks stands still, which nothing tells
    save(ui.page, "run", height=566)


def take_chart(ui: Ui) -> None:
    """Trips a day."""
    ui.open_artifact("yellow-2024-05-days")
    picture = ui.page.locator("img[src^='data:image/svg+xml']")
    expect(picture).to_be_visible()
    box = picture.bounding_box()
    assert box is not None
    # What is below says the same as an address of some thousand letters.
    save(ui.page, "chart", height=box["y"] + box["height"] + 24)


def take_report(ui: Ui, platform: Platform) -> None:
    """The page that the report makes of the models."""
    complete(platform, "build-models", target="postgres")
    complete(platform, "report", target="postgres")
    ui.page.set_viewport_size({"width": 1560, "height": 980})  # two charts in a row
    ui.page.goto((platform.folder / "reports" / "postgres.html").as_uri())
    expect(ui.page.locator("figure svg.marks")).to_have_count(10)
    save(ui.page, "report")


def save(page: Page, name: str, height: float | None = None) -> None:
    """Write what the window shows, down to ``height``, and see that it is small."""
    file = IMAGES / f"{name}.png"
    IMAGES.mkdir(exist_ok=True)
    window = page.viewport_size
    assert window is not None
    page.screenshot(path=file, clip={"x": 0, "y": 0, "width": window["width"], "height": height or window["height"]})
    size = file.stat().st_size
    sys.stdout.write(f"{file.relative_to(PROJECT)}: {size:,} bytes\n")
    if size > MOST_BYTES:
        raise SystemExit(f"{file} has {size:,} bytes, at most {MOST_BYTES:,} are meant: show less of the window.")


if __name__ == "__main__":
    main()
