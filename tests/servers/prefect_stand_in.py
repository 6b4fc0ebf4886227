"""A Prefect server on loopback that gives one answer to each method, and keeps how clients logged in."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class PrefectStandIn:
    """``answers``: method → status. ``logins`` has the header Authorization of each request, ``asked`` its line."""

    def __init__(self, answers: Mapping[str, int]):
        self.logins: list[str | None] = []
        self.asked: list[str] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                stand_in.logins.append(self.headers["Authorization"])
                stand_in.asked.append(f"{self.command} {self.path}")
                self.send_response(answers[self.command])
                self.end_headers()
                self.wfile.write(b'{"detail": "so it was told"}')

            do_GET = do_POST = do_PATCH = answer  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.api_url = f"http://127.0.0.1:{self.server.server_port}/api"


@contextmanager
def prefect_stand_in(**answers: int) -> Iterator[PrefectStandIn]:
    """One that answers, as in ``prefect_stand_in(GET=404, POST=403)``."""
    stand_in = PrefectStandIn(answers)
    thread = threading.Thread(target=stand_in.server.serve_forever)
    thread.start()
    try:
        yield stand_in
    finally:
        stand_in.server.shutdown()
        thread.join()
        stand_in.server.server_close()
