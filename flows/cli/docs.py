"""Writes ``docs/command-line.md`` from the commands' own help: ``python -m flows.cli.docs > docs/command-line.md``.

With ``--check`` it writes nothing and fails if the document is not what it would write.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from flows.cli.app import PROGRAM, app
from flows.cli.exit_codes import MEANING
from flows.tlc.document import write_or_check

DOCUMENT = Path(__file__).parents[2] / "docs" / "command-line.md"

_INTRODUCTION = """\
# The command line

Written by `python -m flows.cli.docs > docs/command-line.md` from the commands' help, which is that of the flows' forms:
change those.

Answers go to stdout, as tables or, with `--json`, as one object; logs, bars and errors go to stderr. Commands that load
run a flow, on the server that `PREFECT_API_URL` names, or on one that Prefect starts for as long as the command takes.
`preview`, `plan`, `status`, `query` and `export` run no flow and change nothing. All use the flows' blocks.

## Exit codes

| | |
| ---: | --- |
"""

# The names of an argument or option as the help shows them, and its help.
Record = tuple[str, str]


def command_document() -> str:
    """The whole document, as Markdown that ends with a line break. An option of several commands is listed once."""
    codes = "\n".join(f"| {code.value} | {meaning} |" for code, meaning in MEANING.items())
    group = get_command(app)
    contexts = dict(commands_of(group, typer.Context(group, info_name=PROGRAM)))
    commands = {name: context.command for name, context in contexts.items()}
    records = {name: _records(commands[name], context) for name, context in contexts.items()}
    times = Counter(record for of_one in records.values() for record in of_one)
    shared = [record for record in times if times[record] > 1]
    parts = [_command_part(name, commands[name], contexts[name], records[name], shared) for name in commands]
    options = f"## Options of several commands\n\n{_table(shared)}"
    return _INTRODUCTION + "\n\n".join([codes, *parts, options]) + "\n"


def commands_of(group: Any, context: typer.Context, prefix: str = "") -> Iterator[tuple[str, typer.Context]]:
    """Each command, and each one of a group of commands, by its whole name: ``models build``."""
    for name in group.list_commands(context):
        command = group.commands[name]
        own = typer.Context(command, info_name=name, parent=context)
        if isinstance(command, typer.core.TyperGroup):
            yield from commands_of(command, own, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", own


def _records(command: Any, context: typer.Context) -> list[Record]:
    return list(filter(None, (parameter.get_help_record(context) for parameter in command.get_params(context))))


def _command_part(name: str, command: Any, context: typer.Context, records: list[Record], shared: list[Record]) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    own = [record for record in records if record not in shared]
    also = ", ".join(f"`{_short(names)}`" for names, _ in records if (names, _) in shared)
    parts = [f"## {name}", command.help or "", f"    {usage}", *([_table(own)] if own else [])]
    return "\n\n".join([*parts, f"[Also](#options-of-several-commands): {also}."])


def _short(names: str) -> str:
    """The long name alone: ``--target`` of ``-t, --target postgres|gcs``."""
    return next((name for name in names.split() if name.startswith("--")), names.split(maxsplit=1)[0])


def _table(records: list[Record]) -> str:
    rows = [f"| `{_escaped(names)}` | {_escaped(text)} |" for names, text in records]
    return "\n".join(["| | |", "| --- | --- |", *rows])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write the document to stdout, or with ``--check`` compare it; returns the exit code."""
    return write_or_check(arguments, DOCUMENT, command_document(), "flows.cli.docs")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
