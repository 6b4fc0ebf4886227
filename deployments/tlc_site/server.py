"""The socket side of ``TripSite``: sends replies as the faults of a request want them sent, or not."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from deployments.tlc_site.faults import Cut, Fault, NoLength, Stall, Throttle, WrongLength
from deployments.tlc_site.range_responses import Content, Reply

NOT_MODIFIED = 304

logger = logging.getLogger(__name__)


@dataclass
class SiteRequest:
    """One request as the server saw it; ``bytes_sent`` counts the body, while it is being sent."""

    method: str
    path: str
    range: str | None
    if_range: str | None
    status: int = 0
    bytes_sent: int = 0


Respond = Callable[[SiteRequest, Message], tuple[Reply, Collection[Fault]]]


class FaultyServer(ThreadingHTTPServer):
    """Asks ``respond`` for the reply to each request and the faults to send it with; listens on 127.0.0.1 only."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, respond: Respond):
        self.respond = respond
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that closing the server can end it."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what went wrong here; clients that go away, and our own cuts, are no errors."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        """Stop serving, wake stalled replies and end the keep-alive connections that clients hold open."""
        self.closing.set()
        self.shutdown()
        for connection in tuple(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                logger.debug("a connection was closed already")
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two packets: Nagle would hold the second one back
    server: FaultyServer

    def do_GET(self) -> None:
        seen = SiteRequest(
            self.command,
            unquote(urlsplit(self.path).path),
            self.headers.get("Range"),
            self.headers.get("If-Range"),
        )
        reply, faults = self.server.respond(seen, self.headers)
        seen.status = reply.status
        self._stall_or_cut(0, faults)
        self._send_head(reply, faults)
        if self.command == "GET":
            self._send_body(reply, faults, seen)
        logger.info("%s %s -> %s, %d bytes", seen.method, seen.path, seen.status, seen.bytes_sent)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _send_head(self, reply: Reply, faults: Collection[Fault]) -> None:
        lie = sum(fault.by for fault in faults if isinstance(fault, WrongLength))
        no_length = any(isinstance(fault, NoLength) for fault in faults)
        self.send_response(reply.status)
        for name, text in reply.headers.items():
            self.send_header(name, text)
        if no_length:
            self.send_header("Connection", "close")
        elif reply.status != NOT_MODIFIED:
            self.send_header("Content-Length", str(reply.stop - reply.start + lie))
        self.end_headers()
        self.close_connection = self.close_connection or no_length or lie != 0

    def _send_body(self, reply: Reply, faults: Collection[Fault], seen: SiteRequest) -> None:
        pace = next((fault.bytes_per_second for fault in faults if isinstance(fault, Throttle)), None)
        start = reply.start
        for mark in sorted({fault.after for fault in faults if isinstance(fault, Cut | Stall) and fault.after}):
            stop = min(reply.start + mark, reply.stop)
            self._send_slice(reply.content, start, stop, pace, seen)
            self._stall_or_cut(mark, faults)
            start = stop
        self._send_slice(reply.content, start, reply.stop, pace, seen)

    def _send_slice(self, content: Content, start: int, stop: int, pace: int | None, seen: SiteRequest) -> None:
        for piece in content.pieces(start, stop):
            step = max(pace // 20, 1) if pace else len(piece)
            for position in range(0, len(piece), step):
                if pace and self.server.closing.wait(step / pace):
                    raise ConnectionAbortedError
                part = piece[position : position + step]
                seen.bytes_sent += len(part)  # before sending: a client may look as soon as it has the last byte
                self.wfile.write(part)

    def _stall_or_cut(self, after: int, faults: Collection[Fault]) -> None:
        for fault in faults:
            if not isinstance(fault, Cut | Stall) or fault.after != after:
                continue
            if isinstance(fault, Cut) or self.server.closing.wait(fault.seconds):
                raise ConnectionAbortedError

    def log_message(self, format: str, *args: Any) -> None:
        """Leave it to the module's logger."""
