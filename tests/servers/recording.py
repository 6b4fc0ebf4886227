"""A loopback HTTP server that records every request and fails on demand: what the stand-ins of Google's APIs share.

A stand-in says what a request means (`operation_of`) and answers it (`answer`). Faults are queued by operation and
taken in the order they were added, one a request.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import traceback
from collections.abc import Container
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
DEFAULT_REASONS = {
    400: "invalid",
    401: "authError",
    403: "accessDenied",
    404: "notFound",
    408: "uploadBrokenConnection",
    409: "duplicate",
    412: "conditionNotMet",
    429: "rateLimitExceeded",
    500: "internalError",
    501: "notImplemented",
    503: "backendError",
}


class ApiError(Exception):
    """A refusal in the form of Google's JSON APIs: {"error": {"code", "message", "errors": [...], "status"}}."""

    def __init__(self, status: int, reason: str, message: str, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message
        self.headers = headers or {}

    def response(self) -> Response:
        """The error as the client receives it."""
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        error = {"code": self.status, "message": self.message, "errors": [detail]}
        if self.status in STATUS_NAMES:
            error["status"] = STATUS_NAMES[self.status]
        return Response(self.status, {"error": error}, headers=self.headers)


@dataclass
class RecordedRequest:
    """One request as it came; `json` is the parsed body where it is JSON, `body_length` counts the bytes received."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    operation: str = ""
    json: Any = None
    body_length: int = 0
    status: int | None = None
    """The status answered; None where the connection was cut instead."""
    body: bytes = field(default=b"", repr=False)
    """The raw body, kept only until the request is answered."""

    def authorize(self, tokens: Container[str] | None) -> None:
        """Raise the 401 of a request whose bearer token is not one of these; None takes any."""
        if tokens is not None and self.headers.get("authorization", "").removeprefix("Bearer ") not in tokens:
            raise ApiError(401, "authError", "Request had invalid authentication credentials.")


@dataclass
class Response:
    """What a stand-in answers: a JSON value, or raw bytes with their own headers."""

    status: int = 200
    json: Any = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """Something that goes wrong with the requests of one operation ("*": any), after `skip` of them went well."""

    operation: str
    kind: Literal["fail", "drop", "stall", "cut_request", "cut_answer"]
    times: int = 1
    skip: int = 0
    error: ApiError | None = None
    seconds: float = 0.0
    at_byte: int = 0


class RecordingServer:
    """Serves on a free loopback port while its `with` block runs; `requests` lists all that came, in order.

    An exception that is no `ApiError` is a bug of the stand-in: the client gets 501 and leaving the block raises it.
    """

    def __init__(self) -> None:
        self.requests: list[RecordedRequest] = []
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self._faults: list[Fault] = []
        self._bugs: list[str] = []

    def operation_of(self, request: RecordedRequest) -> str:
        """The logical name of what the request asks for, such as "jobs.insert"; the body is not read yet."""
        raise NotImplementedError

    def answer(self, request: RecordedRequest) -> Response:
        """Do what the request asks; runs under `lock`."""
        raise NotImplementedError

    def received_partly(self, request: RecordedRequest) -> None:
        """The connection broke in the middle of the request's body; `request.body` is what came."""

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self._bugs and error_type is None:
            raise AssertionError("the stand-in failed:\n" + "\n".join(self._bugs))

    def calls(self, operation: str) -> list[RecordedRequest]:
        """The recorded requests of one operation."""
        return [request for request in self.requests if request.operation == operation]

    def fail(
        self,
        operation: str,
        status: int,
        reason: str | None = None,
        *,
        message: str | None = None,
        times: int = 1,
        skip: int = 0,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Refuse the next requests of the operation without doing anything."""
        reason = reason or DEFAULT_REASONS.get(status, "internalError")
        error = ApiError(status, reason, message or f"{reason} (a fault that the test asked for)", headers)
        self._faults.append(Fault(operation, "fail", times, skip, error=error))

    def drop_connection(self, operation: str, *, times: int = 1, skip: int = 0) -> None:
        """Do what the next requests ask and cut the connection instead of answering."""
        self._faults.append(Fault(operation, "drop", times, skip))

    def stall(self, operation: str, seconds: float, *, times: int = 1, skip: int = 0) -> None:
        """Do what the next requests ask and answer only after `seconds`."""
        self._faults.append(Fault(operation, "stall", times, skip, seconds=seconds))

    def cut_request(self, operation: str, at_byte: int, *, times: int = 1, skip: int = 0) -> None:
        """Cut the connection when `at_byte` bytes of the request's body have come."""
        self._faults.append(Fault(operation, "cut_request", times, skip, at_byte=at_byte))

    def cut_answer(self, operation: str, at_byte: int, *, times: int = 1, skip: int = 0) -> None:
        """Cut the connection when `at_byte` bytes of the answer's body have been sent."""
        self._faults.append(Fault(operation, "cut_answer", times, skip, at_byte=at_byte))

    def take_fault(self, operation: str) -> Fault | None:
        """The fault that this request suffers, if any; counts it as used."""
        with self.lock:
            for fault in self._faults:
                if fault.operation not in (operation, "*"):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if not fault.times:
                    self._faults.remove(fault)
                return fault
        return None

    def respond(self, request: RecordedRequest) -> Response:
        """The answer to a whole request: an error's own form where the stand-in refuses it."""
        try:
            with self.lock:
                return self.answer(request)
        except ApiError as refusal:
            return refusal.response()
        except Exception:
            self._bugs.append(traceback.format_exc())
            return ApiError(501, "notImplemented", f"the stand-in failed: {self._bugs[-1]}").response()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that went away: tests kill them on purpose."""


def _handler_for(stand_in: RecordingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def serve(self) -> None:
            request = self._request_line()
            fault = stand_in.take_fault(request.operation)
            kind = fault.kind if fault else None
            length = int(self.headers.get("Content-Length") or 0)
            self._read_body(request, min(length, fault.at_byte) if fault and kind == "cut_request" else length)
            is_cut = kind == "cut_request" or request.body_length < length
            if is_cut:
                with stand_in.lock:
                    stand_in.received_partly(request)
            stand_in.requests.append(request)
            if is_cut:
                return self._cut()
            response = fault.error.response() if fault and fault.error else stand_in.respond(request)
            request.body = b""
            if kind == "drop":
                return self._cut()
            if fault and kind == "stall":
                stand_in.stopping.wait(fault.seconds)
            request.status = response.status
            return self._send(response, fault.at_byte if fault and kind == "cut_answer" else None)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = serve  # noqa: N815 (http.server's names)

        def _request_line(self) -> RecordedRequest:
            address = urlsplit(self.path)
            query = dict(parse_qsl(address.query, keep_blank_values=True))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = RecordedRequest(self.command, address.path, query, headers)
            request.operation = stand_in.operation_of(request)
            return request

        def _read_body(self, request: RecordedRequest, length: int) -> None:
            request.body = self.rfile.read(length)
            request.body_length = len(request.body)
            if request.headers.get("content-type", "").startswith("application/json") and request.body:
                try:
                    request.json = json.loads(request.body)
                except ValueError:
                    request.json = None

        def _send(self, response: Response, cut_at: int | None) -> None:
            body = response.body if response.json is None else json.dumps(response.json).encode()
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            if response.json is not None:
                self.send_header("Content-Type", "application/json; charset=UTF-8")
            if "Content-Length" not in response.headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if cut_at is None else body[:cut_at])
            if cut_at is not None:
                self._cut(reset=False)

        def _cut(self, *, reset: bool = True) -> None:
            """Close the connection; with `reset` as a crashed peer does, so that the client cannot wait for more."""
            self.close_connection = True
            if reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                self.connection.shutdown(socket.SHUT_RDWR)
            self.connection.close()

        def log_message(self, *_: object) -> None:
            """Keep test output quiet: `requests` has it all."""

    return Handler
