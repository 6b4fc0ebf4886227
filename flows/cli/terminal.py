"""Where a command writes: answers to stdout, everything else to stderr; and how it ends if something fails."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from traceback import format_exc
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.exit_codes import ExitCode
from flows.tlc.errors import ParameterError, TripLoadError
from flows.tlc.visible import in_json, visible, visible_lines

# Columns of text if the output is a pipe, which has no width of its own: the widest table needs so many.
PIPE_WIDTH = 140
STOPPED = "Stopped. Every month is as it was, or loaded: run it again to go on."


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


@dataclass
class Terminal:
    """The two streams of a command, and how much it is to say."""

    as_json: bool = False
    verbose: bool = False
    debug: bool = False
    out: Console = field(default_factory=lambda: _console(stderr=False))
    err: Console = field(default_factory=lambda: _console(stderr=True))

    def show(self, *parts: Table | str) -> None:
        """Write an answer for people, unless one for machines was asked for."""
        if not self.as_json:
            for part in parts:
                shown = Text(visible_lines(part)) if isinstance(part, str) else part
                self.out.print(shown, soft_wrap=isinstance(part, str))

    def answer(self, value: Any) -> None:
        """Write the answer for machines, if that was asked for."""
        if self.as_json:
            self.out.out(in_json(_finite(value), default=str, indent=2, allow_nan=False), highlight=False)

    def note(self, sentence: str) -> None:
        """Say what is worth knowing meanwhile."""
        self.err.print(Text(visible_lines(sentence), style="dim"), soft_wrap=True)

    @contextmanager
    def waiting(self, sentence: str) -> Iterator[None]:
        """Say what takes a moment, as long as it does."""
        if not self.err.is_terminal:
            yield
            return
        with self.err.status(sentence):
            yield

    def traceback(self) -> None:
        """Show where the exception that is being handled comes from, and what caused it."""
        self.err.print(Text(visible_lines(format_exc())), soft_wrap=True)

    def fail(self, sentence: str) -> None:
        """Say in one line why it failed, and what to do."""
        self.err.print(Text(visible(" ".join(sentence.split())), style="red"), soft_wrap=True)


def _finite(value: Any) -> Any:
    """``value`` with null for the numbers that JSON does not know: NaN and the infinite ones."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def answering(*, as_json: bool = False, verbose: bool = False, debug: bool = False) -> Iterator[Terminal]:
    """A command's terminal. An error raised within is shown in one sentence, and becomes the exit code."""
    terminal = Terminal(as_json, verbose or debug, debug)
    try:
        yield terminal
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        terminal.fail(STOPPED)
        raise typer.Exit(ExitCode.stopped) from None
    except Exception as error:
        if debug:
            terminal.traceback()
        terminal.fail(sentence_of(error))
        code = ExitCode.wrong_usage if isinstance(error, ParameterError) else ExitCode.failed
        raise typer.Exit(code) from None


def sentence_of(error: BaseException) -> str:
    """An error as one sentence; of one that is not the project's own, with its kind."""
    if isinstance(error, TripLoadError):
        return str(error)
    kind = type(error)
    if kind.__module__.startswith(("httpx", "httpcore")):
        return f"Prefect's server at PREFECT_API_URL is out of reach ({error}). Start it, or unset the variable."
    return f"{kind.__name__}: {error} (--debug says where)"
