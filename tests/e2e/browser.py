"""Prefect's UI in a real browser: Debian's Chromium without a screen, and what a user does in it."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

# What it is called on Debian, and as Google's own.
NAMES = ("chromium", "google-chrome")
HOW_TO_GET_IT = "NO CHROMIUM: nothing of the UI is tested without it. Install it with: make browser"
# Without what it would ask of servers on the internet.
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Seconds that a run may take from the form to its end, on a machine that has other things to do.
RUN_SECONDS = 150
PAGE_SECONDS = 60


def find_chromium() -> str | None:
    """The path of a Chromium that is installed, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def chromium_or_skip() -> str:
    """The browser; without one the test is skipped by name, and CI fails."""
    found = find_chromium()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(HOW_TO_GET_IT)
        pytest.skip(HOW_TO_GET_IT)
    return found


@dataclass(frozen=True)
class Ui:
    """Prefect's UI at ``url``, in one window of the browser."""

    page: Page
    url: str

    def open_form(self, deployment: str) -> None:
        """Go from the first page to a deployment's form, as a user would."""
        self.page.goto(self.url)
        self.page.get_by_role("link", name="Deployments", exact=True).click()
        self.page.get_by_role("link", name=deployment, exact=True).first.click()
        self.page.get_by_role("button", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Custom run").click()
        expect(self.page.get_by_role("heading", name="Parameters")).to_be_visible()

    def field(self, title: str) -> Locator:
        """A parameter's part of the form: its title, help, input and error."""
        title_itself = self.page.locator("label", has_text=re.compile(f"^{re.escape(title)}$"))
        return self.page.locator("div.group").filter(has=title_itself).last

    def choices(self, title: str) -> Locator:
        """The button that opens the choices of a parameter."""
        return self.field(title).locator("fieldset").get_by_role("button").first

    def choose(self, title: str, option: str) -> None:
        """Open the choices of a parameter and take one."""
        self.choices(title).click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def write(self, title: str, text: str) -> None:
        """Write over what stands in a parameter's input."""
        self.field(title).get_by_role("textbox").fill(text)

    def submit(self) -> None:
        """Ask for the run. What comes of it is for the caller to see."""
        self.page.get_by_role("button", name="Submit").click()

    def wait_for_run(self, name: str) -> None:
        """From the note that the run was submitted to its page; there until it is completed under its own name."""
        self.page.get_by_role("button", name="View run").click()
        expect(self.page.get_by_text(name, exact=True).first).to_be_visible(timeout=RUN_SECONDS * 1000)
        expect(self.page.get_by_text("Completed", exact=True).first).to_be_visible(timeout=RUN_SECONDS * 1000)

    def open_artifact(self, key: str) -> None:
        """From a run's page to one of its artifacts."""
        self.page.get_by_role("tab", name="Artifacts", exact=True).click()
        self.page.get_by_text(key, exact=True).last.click()
        # Every artifact that ever had this key is listed, the newest first, by the beginning of its id.
        self.page.get_by_role("link", name=re.compile("^[0-9a-f]{8}$")).first.click()
        expect(self.page.get_by_role("tab", name="Artifact", exact=True)).to_be_visible()


@contextmanager
def ui_in_browser(
    executable: str, url: str, login: str | None = None, width: int = 1280, height: int = 1000
) -> Iterator[Ui]:
    """A browser of its own, with nothing remembered but ``login`` (user:password), as if it had been given before."""
    # Chromium refuses its sandbox to root; it opens nothing but our own server.
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else [*FLAGS]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=flags)
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="light",
            locale="en-US",
            timezone_id="America/New_York",
        )
        if login:
            page.add_init_script(f"localStorage.setItem('prefect-password', btoa({json.dumps(login)}))")
        page.set_default_timeout(PAGE_SECONDS * 1000)
        expect.set_options(timeout=PAGE_SECONDS * 1000)
        yield Ui(page, url)
        browser.close()
