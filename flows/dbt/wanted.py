"""What a run is to build, and how dbt is told."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flows.dbt.project import mart_names, selectable_names
from flows.decide.models import ModelsTarget
from flows.tlc.errors import ParameterError

# A selected model, with what it reads or what reads it; dbt's other ways to select are left to dbt.
_NAME = re.compile(r"\+?\w+\+?")


@dataclass(frozen=True)
class Wanted:
    """What a run is to build: months from ``first`` to ``last``, of these models; ``everything``: changed or not."""

    target: ModelsTarget
    first: str | None
    last: str | None
    select: tuple[str, ...]
    everything: bool

    def __post_init__(self) -> None:
        """Raise ParameterError if a word is an option of dbt, such as another project's folder, or a name that is none.

        Of several names dbt would build the others, and say that all is well.
        """
        if options := [word for word in self.select if word.startswith("-")]:
            raise ParameterError(f"{options[0]} selects no model: it is an option of dbt.")
        names = [word.strip("+") for word in self.select if _NAME.fullmatch(word)]
        if unknown := [name for name in names if name not in selectable_names()]:
            raise ParameterError(
                f"there is no model {', '.join(unknown)}: choose from {', '.join(sorted(selectable_names()))}."
            )

    @property
    def marts(self) -> list[str]:
        """The marts whose months count: those that are selected by name, else all."""
        names = [name.strip("+") for name in self.select]
        return names if names and set(names) <= set(mart_names()) else mart_names()

    def selectors(self, *, with_views: bool) -> list[str]:
        """What dbt is told; ``with_views``: also to make the views that the marts and their tests read."""
        above, of_tests = ("+", ["loaded_months"]) if with_views else ("", [])
        return [f"{above}{name}" if name in mart_names() else name for name in self.select or mart_names()] + of_tests

    @property
    def exclusions(self) -> list[str]:
        """The tests of other marts: dbt runs every test of a view that it makes, and theirs read the same views."""
        return [f"{name},resource_type:test" for name in mart_names() if name not in self.marts]
