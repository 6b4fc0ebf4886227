"""Lines of a page that begin with ``docker compose``, run as they stand there on a platform of processes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.servers.compose_file import PROJECT
from tests.servers.composed import Composed

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What stands before the service: it says how a container is run.
_OPTIONS = {"-T", "--rm", "--no-deps", "--detach"}


def compose_lines(page: str, heading: str) -> list[str]:
    """The lines of the first ``sh`` block after a heading of the page."""
    text = (PROJECT / page).read_text(encoding="utf-8").partition(f"\n{heading}\n")[2]
    found = _BLOCK.search(text)
    assert found, f"{page} has no commands after {heading!r}"
    return [line for line in found[1].replace("\\\n", " ").splitlines() if line]


def run_line(composed: Composed, line: str, folder: Path) -> None:
    """Run a line of docker compose: ``stop``, ``up``, ``exec`` or ``run``. Files after < and > are in ``folder``."""
    words = shlex.split(line, comments=True)
    assert words[:2] == ["docker", "compose"], line
    action, *rest = (word for word in words[2:] if word not in _OPTIONS)
    given, written = (_file_after(sign, rest, folder) for sign in "<>")
    if action == "stop":
        for service in rest:
            composed.stop(service)
    elif action == "up":
        composed.up(*rest)
    else:
        assert action in ("exec", "run"), line
        service, *command = rest
        output = composed.pipe(service, shlex.join(command), given.read_bytes() if given else None)
        if written:
            written.write_bytes(output)


def _file_after(sign: str, words: list[str], folder: Path) -> Path | None:
    """The file that is named after ``<`` or ``>``; both words are taken away."""
    if sign not in words:
        return None
    at = words.index(sign)
    file = folder / words[at + 1]
    del words[at : at + 2]
    return file
