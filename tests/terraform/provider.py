"""A stand-in for Terraform's providers (Google, random, time), which are not in a package registry.

It answers Terraform's plugin protocol (version 6) with the schema of ``google.json``, so that ``terraform validate``
checks names, types and references as with the real ones, and ``terraform test`` can plan with mocked values. Whether
Google accepts a value, it cannot know.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

SCHEMA_FILE = Path(__file__).with_name("google.json")
Described = dict[str, Any]

# random_password of hashicorp/random 3.7, as an ephemeral resource: what is used of it.
_RANDOM: Described = {
    "ephemeral": {
        "random_password": {
            "attributes": {
                "length": {"type": "number", "required": True},
                "special": {"type": "bool"},
                "result": {"type": "string", "computed": True},
            },
            "blocks": {},
        }
    }
}
# time_sleep of hashicorp/time 0.13.
_TIME: Described = {
    "resource": {
        "time_sleep": {
            "attributes": {
                "create_duration": {"type": "string"},
                "destroy_duration": {"type": "string"},
                "triggers": {"type": ["map", "string"]},
                "id": {"type": "string", "computed": True},
            },
            "blocks": {},
        }
    }
}
# The configuration of Google's provider: what is used of it.
_PROVIDER: Described = {
    "attributes": {
        "project": {"type": "string"},
        "region": {"type": "string"},
        "default_labels": {"type": ["map", "string"]},
        "billing_project": {"type": "string"},
        "user_project_override": {"type": "bool"},
    },
    "blocks": {},
}
_NESTING = {"list": 2, "set": 3}
# The numbers of the fields of GetProviderSchema.Response.
_KINDS = {"resource": 2, "data": 3, "ephemeral": 8}


@contextmanager
def running_providers() -> Iterator[dict[str, str]]:
    """The providers, on ports of loopback (a socket's path may be too long); how Terraform finds them."""
    google = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    servers, found = [], {}
    for name, schema in (("google", google), ("random", _RANDOM), ("time", _TIME)):
        server, address = _server(schema_response(_PROVIDER if name == "google" else {}, schema))
        servers.append(server)
        found[f"registry.terraform.io/hashicorp/{name}"] = {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "tcp", "String": address},
        }
    try:
        yield {"TF_REATTACH_PROVIDERS": json.dumps(found)}
    finally:
        for server in servers:
            server.stop(None).wait()


def schema_response(provider: Described, schema: Described) -> bytes:
    """GetProviderSchema.Response for these types by kind."""
    encoded = _message(1, _schema(provider))
    for kind, number in _KINDS.items():
        for name, described in schema.get(kind, {}).items():
            encoded += _message(number, _text(1, name) + _message(2, _schema(described)))
    return encoded


def _server(schema: bytes) -> tuple[grpc.Server, str]:
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((_Handler(schema),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


class _Handler(grpc.GenericRpcHandler):
    """Answers with the schema, and to all other calls with an empty message, which means: no objection."""

    def __init__(self, schema: bytes):
        self._schema = schema

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler | None:
        _, service, method = handler_call_details.method.split("/")
        if service != "tfplugin6.Provider":
            return None  # the streams of go-plugin: Terraform does without
        answer = {"GetProviderSchema": self._schema, "OpenEphemeralResource": _PASSWORD}.get(method, b"")
        return grpc.unary_unary_rpc_method_handler(lambda request, context: answer)


def _schema(described: Described) -> bytes:
    return _message(2, _block(described))


def _block(described: Described) -> bytes:
    encoded = b""
    for name, attribute in described.get("attributes", {}).items():
        encoded += _message(2, _attribute(name, attribute))
    for name, block in described.get("blocks", {}).items():
        least = 1 if block.get("required") else 0
        nested = _text(1, name) + _message(2, _block(block)) + _number(3, _NESTING[block["nesting"]])
        encoded += _message(3, nested + _number(4, least))
    return encoded


def _attribute(name: str, described: Described) -> bytes:
    required, computed = described.get("required", False), described.get("computed", False)
    write_only = name.endswith("_wo")
    # The package does not tell what is optional and computed both: all that is neither required nor write-only is.
    optional = not required and not computed
    return (
        _text(1, name)
        + _message(2, json.dumps(described["type"]).encode())
        + _number(4, required)
        + _number(5, optional)
        + _number(6, computed or (optional and not write_only))
        + _number(11, write_only)
    )


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode())


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(int(value)) if value else b""


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


# OpenEphemeralResource.Response with its result, in JSON: mocks have no ephemeral resources yet. Terraform compares it
# with the configuration, in which every password has this length.
_LENGTH = 42
_PASSWORD = _message(
    3, _message(2, json.dumps({"length": _LENGTH, "special": False, "result": "p" * _LENGTH}).encode())
)
