"""One column of a conformed table: what it is called, what it means, and what it was called at the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from flows.tlc.column_types import COLUMN_TYPES, TypeName
from flows.tlc.month import Month

if TYPE_CHECKING:
    import pyarrow as pa

Role = Literal[
    "pickup",
    "dropoff",
    "pickup_zone",
    "dropoff_zone",
    "distance",
    "total",
    "passengers",
    "vendor",
    "ratecode",
    "payment_type",
    "trip_type",
]


def folded(source_name: str) -> str:
    """A name at the source as it is compared: without blanks around it, whatever its case."""
    return source_name.strip().casefold()


@dataclass(frozen=True)
class Column:
    """A conformed column, as a ``[[column]]`` entry of a file in ``schemas/`` declares it.

    name            in snake case, the same in every target
    type            see ``column_types``
    description     for an analyst, ending with a full stop
    unit            of its values, if they have one
    source_names    every name it had at the source, in any era; none if the load itself writes it
    role            what generic rules know it by; at most one column a schema has it
    since, until    first and last file month that can have a value in it; the files may carry it empty before
    required        never null: a row without it cannot be loaded
    codes, values   the meaning of each known number, or text
    text_codes      the number for what older eras wrote as text: keys in upper case, without blanks around them
    text_values     the text for what older eras wrote differently: keys likewise; other texts stay as they are
    """

    name: str
    type: TypeName
    description: str
    unit: str | None = None
    source_names: tuple[str, ...] = ()
    role: Role | None = None
    since: Month | None = None
    until: Month | None = None
    required: bool = False
    codes: Mapping[int, str] = field(default_factory=dict, hash=False)
    values: Mapping[str, str] = field(default_factory=dict, hash=False)
    text_codes: Mapping[str, int] = field(default_factory=dict, hash=False)
    text_values: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def arrow(self) -> pa.DataType:
        return COLUMN_TYPES[self.type].arrow

    @property
    def postgres(self) -> str:
        return COLUMN_TYPES[self.type].postgres

    @property
    def bigquery(self) -> str:
        return COLUMN_TYPES[self.type].bigquery

    @property
    def duckdb(self) -> str:
        return COLUMN_TYPES[self.type].duckdb

    @property
    def arrow_field(self) -> pa.Field[Any]:
        """Name, type and nullability, with the description and the unit as metadata."""
        import pyarrow as pa  # noqa: PLC0415 - see ColumnType.arrow

        metadata = {"description": self.description}
        if self.unit:
            metadata["unit"] = self.unit
        return pa.field(self.name, self.arrow, nullable=not self.required, metadata=metadata)

    @property
    def meanings(self) -> dict[str, str]:
        """The meaning of each known code or text, by the code as text."""
        return {str(code): meaning for code, meaning in self.codes.items()} | dict(self.values)

    @property
    def comment(self) -> str:
        """Description, unit and meanings in one line, as a database shows them beside the column."""
        unit = f" Unit: {self.unit}." if self.unit else ""
        meanings = "; ".join(f"{code} = {meaning}" for code, meaning in self.meanings.items())
        return self.description + unit + (f" {meanings}." if meanings else "")

    def covers(self, month: Month) -> bool:
        """Whether a file of ``month`` can have a value in it."""
        return (self.since is None or self.since <= month) and (self.until is None or month <= self.until)

    def identity(self) -> dict[str, Any]:
        """What decides the values that are loaded into it, for hashing: no description, no unit, no meaning."""
        return {
            "name": self.name,
            "type": self.type,
            "source_names": sorted(folded(name) for name in self.source_names),
            "since": str(self.since),
            "until": str(self.until),
            "text_codes": dict(self.text_codes),
            "text_values": dict(self.text_values),
        }
