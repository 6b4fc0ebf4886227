"""A web server on loopback that stands in for the TLC site and its CSV mirror, with faults on demand.

``python -m deployments.tlc_site.site --folder DIR --port 8088`` serves ``DIR/trip-data/…`` and ``DIR/misc/…``.
"""

from __future__ import annotations

import argparse
import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Self

from deployments.tlc_site.faults import Answer, Change, Fault
from deployments.tlc_site.range_responses import Content, Reply, reply_to
from deployments.tlc_site.server import FaultyServer, SiteRequest
from flows.tlc.catalogue import MADE_UP

ACCESS_DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
)
Generator = Callable[[str], Path | bytes | None]

logger = logging.getLogger(__name__)


@dataclass
class _Planned:
    """Faults that wait for the next ``times`` requests with this method (None: any number, any method)."""

    faults: tuple[Fault, ...]
    method: str | None
    times: int | None


class TripSite:
    """Serves folders, generated files and overrides over HTTP/1.1 at ``url`` while entered as a context.

    A path is looked up among what was ``put``, then in the ``folders`` in order, then given to ``generator``, which
    returns a file's path, bytes, or None; what it gives says in its ETag that it is made up. A path that none of them
    has answers ``missing_status`` (TLC: 403), or 404 for ``….csv.gz`` (the mirror).
    """

    def __init__(
        self,
        folders: Sequence[Path] = (),
        generator: Generator | None = None,
        port: int = 0,
        missing_status: int = 403,
    ):
        self._folders = tuple(folders)
        self._generator = generator
        self._missing_status = missing_status
        self._lock = threading.Lock()
        self._overrides: dict[str, Content | None] = {}
        self._planned: dict[str, list[_Planned]] = {}
        self._requests: list[SiteRequest] = []
        self._server = FaultyServer(port, self._respond)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self._thread.join()

    @property
    def requests(self) -> list[SiteRequest]:
        """Every request so far, oldest first (a copy)."""
        with self._lock:
            return [replace(request) for request in self._requests]

    def forget_requests(self) -> None:
        """Empty ``requests``."""
        with self._lock:
            self._requests.clear()

    def put(self, path: str, content: bytes) -> None:
        """Serve ``content`` under ``path`` from now on: a new month, or a re-published one."""
        with self._lock:
            self._overrides[path] = Content.of_bytes(content, time.time())

    def remove(self, path: str) -> None:
        """Serve nothing under ``path`` from now on, wherever it came from."""
        with self._lock:
            self._overrides[path] = None

    def fail(
        self, path: str, *faults: Fault | tuple[Fault, ...], method: str | None = "GET", times: int | None = 1
    ) -> None:
        """Make the next requests of ``path`` fail, one fault (or tuple of faults) a request, in this order.

        Each acts on ``times`` requests (None: on every one from then on); ``method=None`` means HEAD and GET alike.
        """
        with self._lock:
            planned = self._planned.setdefault(path, [])
            planned += [_Planned(one if isinstance(one, tuple) else (one,), method, times) for one in faults]

    def heal(self, path: str) -> None:
        """Drop the remaining faults of ``path``."""
        with self._lock:
            self._planned.pop(path, None)

    def _respond(self, seen: SiteRequest, headers: Message) -> tuple[Reply, Collection[Fault]]:
        with self._lock:
            self._requests.append(seen)
        faults = self._take_faults(seen)
        for fault in faults:
            if isinstance(fault, Answer):
                return Reply.with_body(fault.status, fault.body, fault.headers), faults
            if isinstance(fault, Change):
                self.put(seen.path, fault.content)
        content = self._find(seen.path)
        if content is not None:
            return reply_to(seen.method, headers, content, faults), faults
        if seen.path.endswith(".csv.gz"):
            return Reply.with_body(404, b"Not Found", {"Content-Type": "text/plain"}), faults
        return Reply.with_body(self._missing_status, ACCESS_DENIED, {"Content-Type": "application/xml"}), faults

    def _take_faults(self, seen: SiteRequest) -> tuple[Fault, ...]:
        """The faults that act on this request, which uses them up."""
        with self._lock:
            for planned in self._planned.get(seen.path, ()):
                if planned.times != 0 and planned.method in (None, seen.method):
                    planned.times = None if planned.times is None else planned.times - 1
                    return planned.faults
        return ()

    def _find(self, path: str) -> Content | None:
        with self._lock:
            if path in self._overrides:
                return self._overrides[path]
        relative = PurePosixPath(path.lstrip("/"))
        if ".." not in relative.parts:
            for folder in self._folders:
                if (file := folder / relative).is_file():
                    return Content.of_file(file)
        made = self._generator(path) if self._generator else None
        if made is None:
            return None
        content = Content.of_file(made) if isinstance(made, Path) else Content.of_bytes(made, 0)
        return replace(content, etag=f'"{MADE_UP}-{(content.etag or "").strip(chr(34))}"')


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve folders until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m deployments.tlc_site.site", description=__doc__)
    parser.add_argument("--folder", type=Path, action="append", default=[], help="serve this folder (repeatable)")
    parser.add_argument("--port", type=int, default=8088, help="port on 127.0.0.1; 0 takes a free one")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    serve_until_ended(TripSite(options.folder, port=options.port), ", ".join(map(str, options.folder)) or "nothing")


def serve_until_ended(site: TripSite, what: str) -> None:
    """Run the site in the main thread's stead, until Ctrl-C or SIGTERM; ``what`` is for the log."""
    with site:
        logger.info("serving %s at %s", what, site.url)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            logger.info("stopped")


if __name__ == "__main__":
    main()
