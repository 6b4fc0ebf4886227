"""A Slack-style incoming webhook on loopback that keeps what it gets."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WebhookReceiver:
    """Answers as Slack does: 200 ``ok`` to JSON with a text, 400 to anything else. ``url`` has a secret in its path."""

    SECRET = "T0CANARY/B0CANARY/webhook-canary-4f1c"

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.refused: list[bytes] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                accepted = receiver._take(self.path, self.headers["Content-Type"], body)
                self.send_response(200 if accepted else 400)
                self.end_headers()
                self.wfile.write(b"ok" if accepted else b"invalid_payload")

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/services/{self.SECRET}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _take(self, path: str, content_type: str | None, body: bytes) -> bool:
        try:
            text = json.loads(body)["text"]
            assert path == f"/services/{self.SECRET}"
            assert content_type == "application/json"
        except (ValueError, KeyError, TypeError, AssertionError):
            self.refused.append(body)
            return False
        self.texts.append(text)
        return True

    def wait_for(self, *parts: str, seconds: float = 60) -> str:
        """The first message that has all the parts in it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for text in list(self.texts):
                if all(part in text for part in parts):
                    return text
            time.sleep(0.2)
        raise AssertionError(f"no message with {parts} within {seconds} s; there were {self.texts}, {self.refused}")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
