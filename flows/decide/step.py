"""What a step's header says, and what running one came to. Plain values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, Field

from flows.decide.models import ModelsTarget
from flows.tlc.errors import ParameterError

# A name, and nothing that leads out of the folder.
FILE_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_-]*\.(sql|py|R)$"
# Values stand in a program's environment and in SQL as they are: nothing in them ends a literal or an option.
PARAMETER_PATTERN = r"^[a-z][a-z0-9_]*=[A-Za-z0-9_.,:/+-]*$"
# A table, or a folder of the lake.
_WRITTEN = re.compile(r"\w+\.\w+|[\w./-]+/")
_KEY = re.compile(r"(?:--|#)\s*(target|reads|writes|parameters)\s*:(.*)")
_IN_SQL = re.compile(r"\bcurrent_setting\s*\(\s*'tlc\.(\w+)'\s*\)", re.IGNORECASE)


@dataclass(frozen=True)
class Step:
    """A file and its header.

    ``targets``: where it can run. ``reads``, ``writes``: tables, and folders of the lake, which have a slash in their
    names. ``parameters``: names and defaults.
    """

    file: str
    targets: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    parameters: dict[str, str]

    @property
    def is_sql(self) -> bool:
        return self.file.endswith(".sql")

    @property
    def writes_tables(self) -> bool:
        return any("/" not in name for name in self.writes)

    def values(self, target: ModelsTarget, month: str, given: Iterable[str]) -> dict[str, str]:
        """Every parameter's value by its name, of ``given`` as ``name=value``, and ``month`` and ``target``.

        Raises ParameterError if the header has no such parameter or target.
        """
        if target not in self.targets:
            raise ParameterError(f"its header says target: {', '.join(self.targets)}, not {target}.")
        if self.is_sql and self.writes_tables and target != "postgres":
            raise ParameterError("a step in SQL that writes runs in postgres alone: the warehouse's tables are dbt's.")
        chosen = dict(one.split("=", 1) for one in given)
        if unknown := chosen.keys() - self.parameters.keys():
            known = ", ".join(self.parameters) or "none"
            raise ParameterError(f"it has no parameter {', '.join(sorted(unknown))}: its header says {known}.")
        return self.parameters | chosen | {"month": month, "target": target}


def read_step(file: str, text: str) -> Step:
    """The step of a file's text: what the comments say that it begins with. Raises ParameterError if they are wrong."""
    header: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        if not line.startswith(("--", "#")):
            break
        if found := _KEY.match(line):
            header[found[1]] = [part.strip() for part in found[2].split(",") if part.strip()]
    targets, parameters = header.get("target", []), header.get("parameters", [])
    if not targets or not set(targets) <= set(get_args(ModelsTarget)):
        raise ParameterError(f"{file} needs a comment at its top as in: target: {', '.join(get_args(ModelsTarget))}")
    if wrong := [one for one in parameters if not re.match(PARAMETER_PATTERN, one)]:
        raise ParameterError(
            f"the header of {file} has a parameter {wrong[0]}: write name=default, in plain characters"
        )
    if wrong := [one for one in header.get("writes", []) if not _WRITTEN.fullmatch(one)]:
        raise ParameterError(
            f"the header of {file} writes {wrong[0]}, which is neither schema.table nor a folder of the lake, with a / "
            "at its end; a step that writes neither has no such line"
        )
    defaults = dict(one.split("=", 1) for one in parameters)
    return Step(file, tuple(targets), tuple(header.get("reads", [])), tuple(header.get("writes", [])), defaults)


def with_values(sql: str, values: dict[str, str]) -> str:
    """The SQL with literals for ``current_setting('tlc.…')``, for engines that have no settings of a user's own."""
    return _IN_SQL.sub(lambda found: f"'{values[found[1]]}'" if found[1] in values else found[0], sql)


class StepReport(BaseModel):
    """What running a step came to."""

    file: str
    target: ModelsTarget
    month: str
    parameters: list[str] = Field([], description="As they were given: name=value")
    folder: str = Field(description="Where its files are, until it runs again for this month and target")
    files: list[str] = Field(description="Their names; those that the UI can show are artifacts")
    exit_code: int
    last_line: str = Field(description="The last that it wrote: if it failed, mostly why")
    seconds: float = 0.0
    status: Literal["completed", "failed"]

    @property
    def failure_sentence(self) -> str:
        said = f": {self.last_line.rstrip('.')}" if self.last_line else ""
        return f"exit code {self.exit_code}{said} (all its lines are in the run's log)"

    @property
    def sentence(self) -> str:
        """Which run it was: what its artifacts are of."""
        given = f" with {', '.join(self.parameters)}" if self.parameters else ""
        return f"{self.month} in {self.target}{given}{', of a run that failed' if self.status == 'failed' else ''}"

    @property
    def paths(self) -> list[Path]:
        return [Path(self.folder) / name for name in self.files]
