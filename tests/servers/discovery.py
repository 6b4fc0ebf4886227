"""What Google's own description of an API allows: its methods, parameters and the fields of its messages.

The descriptions ("discovery documents") come with google-api-python-client. A stand-in that checks against them refuses
a misspelt field or an unknown parameter as the real API does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Self
from urllib.parse import unquote

from googleapiclient.discovery_cache import get_static_doc

from tests.servers.recording import ApiError

# Google's own Python clients send these where the descriptions do not have them: jobs.get with projection=full.
UNDOCUMENTED_PARAMETERS = {"projection"}
MESSAGE_TYPES: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
}


@dataclass
class Method:
    """One method of an API; `name` is like "jobs.insert"."""

    name: str
    verb: str
    pattern: re.Pattern[str]
    parameters: frozenset[str]
    request: str | None


class ApiDescription:
    """The methods and messages of one API."""

    def __init__(self, document: dict[str, Any]):
        self.base_path: str = "/" + document["servicePath"]
        self._name: str = document["name"]
        self._schemas: dict[str, Any] = document["schemas"]
        self._common = frozenset(document["parameters"])
        self._methods = list(self._describe(document))

    @classmethod
    @cache
    def of(cls, name: str, version: str) -> Self:
        """The description of an API such as ("bigquery", "v2")."""
        return cls(json.loads(get_static_doc(name, version)))

    def _describe(self, resource: dict[str, Any]) -> Iterator[Method]:
        for method in resource.get("methods", {}).values():
            path = re.sub(r"\\{\\?\+?(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(method["path"]))
            yield Method(
                name=method["id"].removeprefix(f"{self._name}."),
                verb=method["httpMethod"],
                pattern=re.compile(path),
                parameters=frozenset(method.get("parameters", ())),
                request=method.get("request", {}).get("$ref"),
            )
        for child in resource.get("resources", {}).values():
            yield from self._describe(child)

    def find(self, verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The method that a request calls, and the decoded parameters in its path."""
        for method in self._methods:
            match = method.pattern.fullmatch(path.removeprefix(self.base_path))
            if match and method.verb == verb:
                return method, {name: unquote(value) for name, value in match.groupdict().items()}
        return None

    def check_query(self, method: Method, query: dict[str, str]) -> None:
        """Raise a 400 for a query parameter that the method does not have."""
        for name in query.keys() - method.parameters - self._common - UNDOCUMENTED_PARAMETERS:
            raise ApiError(
                400,
                "invalid",
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
                f"Field '{name}' could not be found in request message.",
            )

    def check_body(self, method: Method, body: Any) -> None:
        """Raise a 400 for a field that the method's message does not have, or a value of a wrong type."""
        if method.request is None:
            return
        if not isinstance(body, dict):
            raise ApiError(400, "parseError", "Parse Error")
        self._check({"$ref": method.request}, body, method.request[0].lower() + method.request[1:])

    def _check(self, kind: dict[str, Any], value: Any, at: str) -> None:
        if value is None or kind.get("type") == "any":
            return
        if "$ref" in kind:
            self._check({"type": "object", **self._schemas[kind["$ref"]]}, value, at)
            return
        self._check_type(kind, value, at)
        if isinstance(value, list):
            for index, item in enumerate(value):
                self._check(kind["items"], item, f"{at}[{index}]")
        elif isinstance(value, dict):
            self._check_fields(kind, value, at)

    def _check_fields(self, kind: dict[str, Any], value: dict[str, Any], at: str) -> None:
        for name, item in value.items():
            field = kind.get("properties", {}).get(name, kind.get("additionalProperties"))
            if field is None:
                raise ApiError(
                    400,
                    "invalid",
                    f"Invalid JSON payload received. Unknown name \"{name}\" at '{at}': Cannot find field.",
                )
            self._check(field, item, f"{at}.{name}")

    @staticmethod
    def _check_type(kind: dict[str, Any], value: Any, at: str) -> None:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        is_numeric_text = kind["type"] in ("integer", "number") and isinstance(value, str) and value.isdigit()
        # Numbers pass for strings: int64 fields, and the FLOAT64 query parameters that Google's own client sends.
        is_plain_number = kind["type"] == "string" and number
        if not (isinstance(value, MESSAGE_TYPES[kind["type"]]) or is_numeric_text or is_plain_number):
            raise ApiError(400, "invalid", f"Invalid value at '{at}' (TYPE_{kind['type'].upper()}), {value!r}")
        if "enum" in kind and value not in kind["enum"]:
            raise ApiError(400, "invalid", f"Invalid value at '{at}' (TYPE_ENUM), \"{value}\"")
