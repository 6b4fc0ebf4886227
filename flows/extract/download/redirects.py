"""Where redirects may lead: a public source has no business with what only this machine, or its network, can reach."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpx

from flows.tlc.errors import SourceError
from flows.tlc.urls import plain_url

MOST_REDIRECTS = 10
Trace = Callable[[str, dict[str, Any]], None]
# Within: IPv4 addresses, reached through a translator.
_NAT64 = IPv6Network("64:ff9b::/96")


def send_following(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """The response to the request, or to the one that it is redirected to, body unread.

    Not by httpx's own following, which reads what redirects have for a body to its end, if that ever comes. Raises
    SourceError if a redirect leads from a public address to an internal one: before anything is sent there. The
    request has a trace (httpcore's extension), which sees the others too.
    """
    source, trace = str(request.url), request.extensions["trace"]
    for _ in range(MOST_REDIRECTS + 1):
        response = client.send(request, stream=True)
        if response.next_request is None:
            return response
        response.close()
        request = response.next_request
        if _is_internal_name(request.url.host):
            _refuse_unless_internal(source, request.url.host)
        request.extensions["trace"] = _Connections(source, request.url.raw_host.decode("ascii"), trace)
    raise httpx.TooManyRedirects(f"more than {MOST_REDIRECTS} redirects", request=request)


class _Connections:
    """Told by httpcore of each step of a request: looks at the very address that a connection is made to.

    So no name that is resolved twice, to two addresses, gets by. Behind a proxy the connection is the proxy's: which
    names it resolves to what is its own to judge. ``trace`` is told too.
    """

    def __init__(self, source: str, host: str, trace: Trace):
        self.source, self.host, self._trace = source, host, trace
        self._is_direct = True

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        self._trace(event, info)
        if event == "connection.connect_tcp.started":
            self._is_direct = info["host"] == self.host
        elif event == "connection.connect_tcp.complete" and self._is_direct:
            stream = info["return_value"]
            if is_internal(stream.get_extra_info("server_addr")[0]):
                try:
                    _refuse_unless_internal(self.source, self.host)
                except SourceError:
                    stream.close()
                    raise


def is_internal(address: str) -> bool:
    """Whether an IP address is not the internet's: loopback, private, unique-local, link-local as of cloud metadata."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        within = IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip.ipv4_mapped or ip.sixtofour
        ip = within or ip
    return not ip.is_global


def _is_internal_name(host: str) -> bool:
    """What can be told of a host without asking anybody: behind a proxy, that is all."""
    try:
        return is_internal(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _refuse_unless_internal(source: str, host: str) -> None:
    if not _is_internal_source(source):
        where = plain_url(source)
        raise SourceError(
            f"{where} is redirected to {host}, an address of this machine or its network, where no public source has "
            "its files: nothing was asked for there. Check the source's base URL, and any proxy on the way.",
            url=where,
        )


def _is_internal_source(source: str) -> bool:
    """Whether the configured source is itself internal. Asked for once a redirect leads there, which is rare."""
    host = httpx.URL(source).host
    if _is_internal_name(host):
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:  # a name that only the proxy can resolve
        return False
    return all(is_internal(str(address[0])) for *_, address in found)
