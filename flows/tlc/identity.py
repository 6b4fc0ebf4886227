"""What makes two loads of a month the same load, so that the second need not happen."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from flows.tlc.dataset import Dataset, Source
from flows.tlc.month import Month
from flows.tlc.rules import rules
from flows.tlc.schema import missing_words, schema_of

# Raise it when the code of transform/ changes what is loaded from the same file; the schemas' versions cover the rest.
CONFORM_CODE_VERSION = 3

NewColumns = Literal["fail", "keep"]


@dataclass(frozen=True)
class MonthRequest:
    """One month, from one source, cleaned in one way: what a load flow is asked for."""

    dataset: Dataset
    month: Month
    source: Source = Source.tlc
    drop_rules: frozenset[str] = frozenset()
    new_columns: NewColumns = "fail"

    @property
    def conform_version(self) -> str:
        """Changes with whatever changes the values loaded from the same file."""
        dropped = [[rule.name, rule.test, rule.value] for rule in rules() if rule.name in self.drop_rules]
        return _digest(
            [CONFORM_CODE_VERSION, *missing_words()],
            schema_of(self.dataset).version(self.month),
            dropped,
            self.new_columns == "keep",
        )

    def content_key(self, source_etag: str) -> str:
        """Equal for two loads that would put the same rows into the target."""
        return _digest(self.conform_version, str(self.dataset), str(self.month), str(self.source), source_etag)


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
