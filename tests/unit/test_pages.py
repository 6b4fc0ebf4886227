"""README and docs/: every relative link and anchor resolves, and the pages stay short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
OTHER_PAGES = [PROJECT / "CHANGELOG.md", PROJECT / "deployments" / "terraform" / "README.md"]
# Words outside of code blocks, with room for some more. A new fact belongs in one page, with links to it from others.
MOST_WORDS = 23_950

_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def prose(page: Path) -> str:
    return _CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the page's headings."""
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(prose(page)))
    return {heading.replace(" ", "-") for heading in words}


def broken(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return not target.exists() or bool(anchor and anchor not in anchors(target))


@pytest.mark.parametrize("page", [*PAGES, *OTHER_PAGES], ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_relative_link_and_anchor_resolves(page: Path) -> None:
    links = [link for link in _LINK.findall(prose(page)) if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if broken(page, link)] == []


def test_readme_leads_to_every_page() -> None:
    linked = {(PROJECT / link.partition("#")[0]).resolve() for link in _LINK.findall(prose(PROJECT / "README.md"))}
    assert [page.name for page in PAGES[1:] if page not in linked] == []


def test_pages_are_short() -> None:
    words = {page.name: len(re.findall(r"\S*\w\S*", prose(page))) for page in PAGES}
    assert sum(words.values()) <= MOST_WORDS, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_are_at_most_120_columns(page: Path) -> None:
    lines = prose(page).splitlines()
    not_wrapped = ("|", "![", "    ", "[Also]")  # tables and pictures; the last two are written by code
    assert [line for line in lines if len(line) > 120 and not line.startswith(not_wrapped)] == []
