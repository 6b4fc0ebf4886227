"""Writes ``docs/command-line.md`` from the commands' own help: ``python -m flows.cli.docs > docs/command-line.md``.

With ``--check`` it writes nothing and fails where the document is not what it would write.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from flows.cli.app import PROGRAM, app
from flows.cli.exit_codes import MEANING

DOCUMENT = Path(__file__).parents[2] / "docs" / "command-line.md"

_INTRODUCTION = """\
# The command line

For those who do not want to write Python. Written by `python -m flows.cli.docs > docs/command-line.md` from the
commands' own help, which is that of the flows' forms: change those.

Answers go to stdout, as tables or with `--json` as one object; logs, bars and errors go to stderr. Commands that load
run a flow, on the server that `PREFECT_API_URL` names or, without it, on one that Prefect starts for as long as the
command takes. `preview`, `plan` and `status` run no flow and change nothing.

All use the same blocks as the flows: the saved one, else one made from the environment, as
`python -m blocks.register` would save it.

## Exit codes

| | |
| ---: | --- |
"""


def command_document() -> str:
    """The whole document, as Markdown that ends with a line break."""
    codes = "\n".join(f"| {code.value} | {meaning} |" for code, meaning in MEANING.items())
    group = get_command(app)
    context = typer.Context(group, info_name=PROGRAM)
    assert isinstance(group, typer.core.TyperGroup)
    parts = [_command_part(name, group.commands[name], context) for name in group.list_commands(context)]
    return _INTRODUCTION + "\n\n".join([codes, *parts]) + "\n"


def _command_part(name: str, command: Any, parent: typer.Context) -> str:
    context = typer.Context(command, info_name=name, parent=parent)
    usage = " ".join([PROGRAM, name, *command.collect_usage_pieces(context)])
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [f"| `{_escaped(names)}` | {_escaped(text)} |" for names, text in filter(None, records)]
    return "\n".join([f"## {name}", "", command.help or "", "", f"    {usage}", "", "| | |", "| --- | --- |", *rows])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write the document to stdout, or with ``--check`` compare it; returns the exit code."""
    if arguments == ["--check"]:
        if DOCUMENT.exists() and DOCUMENT.read_text(encoding="utf-8") == command_document():
            return 0
        sys.stderr.write(f"{DOCUMENT} is out of date: python -m flows.cli.docs > docs/command-line.md\n")
        return 1
    sys.stdout.write(command_document())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
