"""What a user sees of a flow in Prefect's UI: a form that explains itself, a run with its name, artifacts, a chart."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName

from deployments.server.declared import declared_deployments
from tests.e2e.browser import Ui, chromium_or_skip, ui_in_browser
from tests.e2e.platform import Platform

pytestmark = pytest.mark.timeout(600)

ROWS = "83,130 rows"
# Picked up on 2009-01-01, 2020-11-30 and 2021-01-01.
OUTSIDE = 3


@pytest.fixture(scope="session")  # before the platform comes up
def chromium() -> str:
    return chromium_or_skip()


@pytest.fixture(scope="module")
def ui(chromium: str, platform: Platform) -> Iterator[Ui]:
    with ui_in_browser(chromium, platform.api.removesuffix("/api"), platform.login) as opened:
        yield opened


def runs_of(platform: Platform, deployment: str) -> int:
    """How many runs of a deployment that has no schedule there are, in whatever state."""
    with platform.client() as client:
        named = DeploymentFilter(name=DeploymentFilterName(any_=[deployment]))
        return len(client.read_flow_runs(deployment_filter=named))


def test_who_has_no_login_sees_nothing_and_who_has_one_gets_in(chromium: str, platform: Platform) -> None:
    assert platform.login
    with ui_in_browser(chromium, platform.api.removesuffix("/api")) as stranger:
        stranger.page.goto(stranger.url)
        field = stranger.page.locator("input").first
        field.fill("tlc:guessed")
        field.press("Enter")
        expect(stranger.page.get_by_text(re.compile("Authentication failed|Invalid")).first).to_be_visible()
        field.fill(platform.login)
        field.press("Enter")
        expect(stranger.page.get_by_role("link", name="Deployments", exact=True)).to_be_visible()


def test_form_explains_itself_and_offers_choices(ui: Ui) -> None:
    ui.open_form("api-to-postgres")
    expect(ui.field("month")).to_contain_text("The file's month, as YYYY-MM, for example 2020-10.")
    expect(ui.field("source (Optional)")).to_contain_text("mirror: the course's CSV files")
    ui.choices("dataset").click()
    assert ui.page.get_by_role("option").all_inner_texts() == ["yellow", "green", "fhv", "fhvhv"]
    ui.page.keyboard.press("Escape")
    ui.choose("drop_rules (Optional)", "zero_distance")
    ui.page.keyboard.press("Escape")
    expect(ui.field("drop_rules (Optional)")).to_contain_text("zero_distance")


@pytest.mark.parametrize(
    ("deployment", "field"), [("api-to-postgres", "month"), ("backfill", "start_month (Optional)")], ids=str
)
def test_bad_month_is_refused_in_the_form_and_no_run_is_made(
    ui: Ui, platform: Platform, deployment: str, field: str
) -> None:
    before = runs_of(platform, deployment)
    ui.open_form(deployment)
    ui.write(field, "2020-13")
    ui.submit()
    expect(ui.field(field)).to_contain_text("'a month as YYYY-MM, for example 2020-10' was expected")
    expect(ui.field(field)).to_contain_text("as YYYY-MM")
    expect(ui.page.get_by_text("Error creating flow run: Validation failed for field")).to_be_visible()
    assert runs_of(platform, deployment) == before


def test_month_that_the_source_cannot_have_is_refused_in_the_form(ui: Ui, platform: Platform) -> None:
    before = runs_of(platform, "api-to-postgres")
    ui.open_form("api-to-postgres")
    ui.choose("dataset", "fhv")
    ui.write("month", "2012-01")
    ui.submit()
    expect(ui.field("month")).to_contain_text("'a month from 2015-01 on, which tlc has of fhv' was expected")
    assert runs_of(platform, "api-to-postgres") == before


def test_run_from_the_form_is_picked_up_and_shows_what_it_did(ui: Ui, platform: Platform) -> None:
    ui.open_form("api-to-postgres")
    ui.choose("dataset", "green")
    ui.write("month", "2020-12")
    ui.submit()
    ui.wait_for_run("green 2020-12 → postgres")
    for tag in declared_deployments()["api-to-postgres"]["tags"]:
        expect(ui.page.get_by_text(tag, exact=True).first).to_be_visible()
    run = ui.page.url
    ui.page.get_by_role("tab", name="Artifacts", exact=True).click()

    ui.open_artifact("green-2020-12-postgres")
    expect(ui.page.get_by_role("row", name=f"read {ROWS}", exact=True)).to_be_visible()
    expect(ui.page.get_by_role("row", name=f"loaded {ROWS}", exact=True)).to_be_visible()
    expect(ui.page.get_by_text("loaded: 83,130 of 83,130 rows")).to_be_visible()

    ui.page.goto(run)
    ui.open_artifact("green-2020-12-days")
    picture = ui.page.locator("img[src^='data:image/svg+xml']")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => [image.complete, image.naturalWidth]") == [True, 760]
    expect(ui.page.get_by_text(f"{83_130 - OUTSIDE:,} trips by pickup date")).to_be_visible()
    expect(ui.page.get_by_text(f"Loaded but not shown: {OUTSIDE} with a pickup outside")).to_be_visible()
