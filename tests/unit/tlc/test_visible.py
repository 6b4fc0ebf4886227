"""What would steer a terminal or a page is escaped on every way out of the project; ordinary text is as it was."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

import pyarrow as pa
import pytest
import typer
from markdown_it import MarkdownIt
from prefect.logging.formatters import PrefectFormatter
from prefect.logging.handlers import PrefectConsoleHandler
from rich.console import Console

from flows.cli.progress import log_shown
from flows.cli.row_formats import CsvFile, JsonFile
from flows.cli.row_output import _VisibleOutput
from flows.cli.show_rows import show_rows
from flows.cli.tables import table_of
from flows.cli.terminal import Terminal, answering
from flows.decide.outcome import MonthOutcome, TargetOutcome
from flows.tlc.errors import NotTripFile, ParameterError, UnexpectedError
from flows.tlc.report import LoadReport
from flows.tlc.visible import in_json, in_markdown, visible
from flows.ui import artifacts, months, report

# C0 and DEL, C1, and all that turns writing round or is not seen.
CONTROLS = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zl", "Zp", "Cs")]
HOSTILE = "".join(CONTROLS)
ENCODABLE = HOSTILE.encode("utf-8", "ignore").decode()
PLAIN = "Zürich 東京, 'a' \"b\" (c) 1.5% - + = 20 $"


class Screen:
    """A terminal whose both streams are kept."""

    def __init__(self, *, as_json: bool = False):
        self.text = io.StringIO()
        console = Console(file=self.text, width=100_000, highlight=False, soft_wrap=True)
        self.terminal = Terminal(as_json=as_json, out=console, err=console)


def is_harmless(text: str) -> bool:
    return not set(text) & set(CONTROLS) - {"\n"}


def test_every_control_character_is_escaped_and_no_other() -> None:
    assert len(CONTROLS) > 2_000
    assert {"\x1b", "\x9b", "\u202e", "\u2066", "\u200f"} <= set(CONTROLS)
    assert visible(HOSTILE).isascii()
    assert visible(PLAIN) == PLAIN
    assert in_markdown(PLAIN) == PLAIN


@pytest.mark.parametrize(
    "show",
    [
        lambda terminal: terminal.show(f"a{HOSTILE}b"),
        lambda terminal: terminal.note(f"a{HOSTILE}b"),
        lambda terminal: terminal.fail(f"a{HOSTILE}b"),
        lambda terminal: terminal.show(table_of([{HOSTILE: HOSTILE}], title=HOSTILE)),
        lambda terminal: show_rows(
            terminal,
            pa.RecordBatchReader.from_batches(
                (batch := pa.record_batch({ENCODABLE: [ENCODABLE]})).schema,
                [batch],
            ),
        ),
    ],
    ids=["answer", "note", "error", "table", "rows"],
)
def test_nothing_steers_the_terminal(show: Any) -> None:
    screen = Screen()
    show(screen.terminal)
    assert "x1b" in screen.text.getvalue()
    assert is_harmless(screen.text.getvalue())


def fail_by_a_stranger() -> None:
    """As what a library raises about a file, with what our code makes of it."""
    try:
        raise ValueError(f"a{HOSTILE}b")
    except ValueError as error:
        error.add_note(HOSTILE)
        raise UnexpectedError("ValueError") from error


def test_a_traceback_in_the_terminal_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), answering(debug=True):
        fail_by_a_stranger()
    shown = capsys.readouterr().err
    assert "ValueError: a\\x00" in shown
    assert "The above exception was the direct cause" in shown
    assert is_harmless(shown)


@contextmanager
def logging_to(name: str, *handlers: logging.Handler) -> Iterator[logging.Logger]:
    """The logger, with these handlers alone; Prefect's own want a run."""
    logger = logging.getLogger(name)
    before = logger.handlers, logger.propagate, logger.level
    logger.handlers, logger.propagate = list(handlers), False
    logger.setLevel(logging.DEBUG)
    try:
        yield logger
    finally:
        logger.handlers, logger.propagate = before[:2]
        logger.setLevel(before[2])


@pytest.mark.parametrize(
    "name", ["prefect.flow_runs", "prefect.task_runs", "prefect.engine", "flows.extract.download", "blocks", "x"]
)
@pytest.mark.parametrize("error", [UnexpectedError, ParameterError, KeyError])
def test_a_log_is_harmless_through_every_handler(name: str, error: type[Exception]) -> None:
    plain, of_prefect = logging.StreamHandler(io.StringIO()), PrefectConsoleHandler(io.StringIO())
    of_prefect.setFormatter(PrefectFormatter("%(name)s - %(message)s"))
    with logging_to(name, plain, of_prefect) as logger:
        try:
            raise error("of ours") from ValueError(f"a{HOSTILE}b")
        except error as raised:
            logger.exception("a file has %s: %r", HOSTILE, raised)
            logger.debug(HOSTILE, exc_info=True)
        logger.warning(f"a{HOSTILE}b%")
    for stream in (plain.stream, of_prefect.console.file):
        shown = stream.getvalue()
        assert "ValueError: a\\x00" in shown
        assert shown.count(r"\x1b") == 5  # three messages and two tracebacks
        assert is_harmless(shown)


@pytest.mark.parametrize("name", ["prefect", "flows", "blocks"])
def test_the_log_in_the_terminal_is_harmless(name: str) -> None:
    screen = Screen()
    screen.terminal.debug = screen.terminal.verbose = True
    with logging_to(name) as logger, log_shown(screen.terminal):
        try:
            fail_by_a_stranger()
        except UnexpectedError:
            logger.exception("%s", HOSTILE)
    assert "ValueError: a\\x00" in screen.text.getvalue()
    assert is_harmless(screen.text.getvalue())


def test_an_ordinary_record_is_as_it_was() -> None:
    made = logging.getLogger("x").makeRecord("x", logging.INFO, __file__, 1, "%s: %s", (PLAIN, 2), None)
    assert (made.msg, made.args, made.exc_text) == ("%s: %s", (PLAIN, 2), None)


def test_a_record_whose_arguments_do_not_fit_stops_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to("x", logging.StreamHandler(io.StringIO())) as logger:
        logger.warning("%s and %s", HOSTILE)  # noqa: PLE1206 - the mistake of a caller
    shown = capsys.readouterr().err
    assert "Logging error" in shown
    assert is_harmless(shown)


def test_an_error_that_cannot_be_shown_stops_nobody() -> None:
    class Unshowable(Exception):
        @property
        def __notes__(self) -> list[str]:
            raise KeyError

    error = Unshowable()
    logging.getLogger("x").makeRecord("x", logging.ERROR, __file__, 1, "no", (), (Unshowable, error, None))


def test_json_is_harmless_and_means_the_same() -> None:
    screen = Screen(as_json=True)
    screen.terminal.answer({"a": ENCODABLE, "b": PLAIN, "c": "\ud800"})
    assert json.loads(screen.text.getvalue()) == {"a": ENCODABLE, "b": PLAIN, "c": "\ud800"}
    assert is_harmless(screen.text.getvalue())
    assert PLAIN.replace('"', '\\"') in screen.text.getvalue()
    assert in_json([1.5, None, True, "é"]) == '[1.5, null, true, "é"]'


def test_rows_as_json_and_csv_on_a_terminal_are_harmless() -> None:
    batch = pa.record_batch({"a": [ENCODABLE], "b": [-1]})
    for kind in (JsonFile, CsvFile):
        shown = io.BytesIO()
        rows = kind(_VisibleOutput(shown) if kind is CsvFile else shown, batch.schema)
        rows.write(batch)
        rows.finish()
        assert b"x1b" in shown.getvalue() or b"u001b" in shown.getvalue()
        assert is_harmless(shown.getvalue().decode())


def test_csv_in_a_file_has_what_is_in_the_data() -> None:
    text = f"a{ENCODABLE}"
    batch = pa.record_batch({"a": [text], "b": [-1]})
    file = io.BytesIO()
    rows = CsvFile(file, batch.schema)
    rows.write(batch)
    rows.finish()
    assert list(csv.reader(io.StringIO(file.getvalue().decode(), newline="")))[1] == [text, "-1"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_what_is_a_formula_to_a_spreadsheet_gets_an_apostrophe(start: str) -> None:
    batch = pa.record_batch({f"{start}h": [f"{start}cmd|' /C calc'!A0"], "n": [-1], "f": [-1.5]})
    file = io.BytesIO()
    rows = CsvFile(file, batch.schema)
    rows.write(batch)
    rows.finish()
    header, line = csv.reader(io.StringIO(file.getvalue().decode(), newline=""))
    assert header[0] == f"'{start}h"
    assert line == [f"'{start}cmd|' /C calc'!A0", "-1", "-1.5"]


def test_an_error_is_one_harmless_line() -> None:
    error = NotTripFile(f"the column '{HOSTILE}' is odd", dataset="green", month="2020-12")
    assert is_harmless(str(error))
    assert "\n" not in str(error)
    assert r"\x1b" in error.message
    assert str(error.with_context("green", "2020-12")) == str(error)


MARKUP = [
    "[a](javascript:alert(1))",
    "![x](http://127.0.0.1:9/px)",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "`code` **bold** _em_ ~~gone~~",
    "a | b | c",
    "``` fence",
    "&lt;b&gt; &#27;",
    "http://evil.example www.evil.example a@evil.example",
    "a\n\n# heading\n\n- item",
    "\\[a\\](b)",
    HOSTILE,
]


class Page(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("text", MARKUP)
def test_markdown_shows_just_the_text(text: str) -> None:
    parser = MarkdownIt("gfm-like", {"linkify": False})
    shown = visible(" ".join(text.split()))
    inline, cell = in_markdown(text), f"| a | b |\n| --- | --- |\n| {in_markdown(text)} | 2 |"
    assert Page(parser.render(f"From: {inline}")).tags == ["p"]
    assert Page(parser.render(f"From: {inline}")).text.strip() == f"From: {shown}".strip()
    assert Page(parser.render(cell)).tags.count("td") == 2
    assert not re.search(r"(?<!\\)://|www\.", inline)  # which would become links


def test_artifacts_have_nothing_that_steers(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(artifacts, "create_markdown_artifact", lambda **options: made.append(options))
    monkeypatch.setattr(artifacts, "create_table_artifact", lambda **options: made.append(options))
    evil = f"{HOSTILE}](javascript:alert(1)) <img src=x onerror=alert(1)> | `x`"
    load = LoadReport(
        dataset="green",
        month="2020-12",
        target="postgres",
        source_url="http://host/x",
        source_etag=evil,
        status="loaded",
    )
    report.publish_report(load, "`tlc.green_trips`")
    outcome = MonthOutcome(
        dataset="green", month="2020-12", legs=[TargetOutcome(target="postgres", status="failed", sentence=evil)]
    )
    months.publish_month.fn(outcome)
    artifacts.show_table(months.outcome_rows([outcome]), "key", evil)
    assert len(made) == 3
    for one in made:
        everything = str(one)
        assert is_harmless(everything)
        assert is_harmless(one["description"])
        if "markdown" in one:
            assert is_harmless(one["markdown"])
            page = Page(MarkdownIt("gfm-like", {"linkify": False}).render(one["markdown"]))
            assert not {"img", "a", "script"} & set(page.tags)
    assert "x1b" in str(made[0]["markdown"])
