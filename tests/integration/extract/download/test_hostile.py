"""A source that means harm: redirects into the network, headers that are none, bodies that never end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
from httpcore._backends.sync import SyncStream

from deployments.tlc_site.faults import Answer, Throttle
from deployments.tlc_site.site import TripSite
from flows.extract.download.redirects import is_internal
from flows.extract.download.request import open_response, read_body
from flows.extract.download.retry import RetryPolicy, TryAgain
from flows.tlc.errors import NotTripFile, ParameterError, SourceError, SourceUnavailable
from tests.integration.extract.conftest import PARQUET, SWIFT

PUBLIC = "93.184.216.34"
INTERNAL = [
    "169.254.169.254",
    "fd00:ec2::254",
    "127.0.0.1",
    "::1",
    "10.1.2.3",
    "192.168.0.1",
    "172.16.0.1",
    "100.64.0.1",
    "fe80::1",
    "fc00::1",
    "0.0.0.0",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
]
SECRET = b"HUNTER2"


def port_of(url: str) -> int:
    return httpx.URL(url).port or 80


@pytest.fixture
def other(tmp_path) -> Iterator[TripSite]:
    """Another server, which has a secret where it is asked for the file."""
    with TripSite([tmp_path]) as running:
        running.put(PARQUET, SECRET + b" of an internal service, role admin\n" * 10)
        yield running


@pytest.fixture
def seem(monkeypatch) -> Callable[[str, str], None]:
    """Have a server's connections seem to go to another address: what the operating system says of the peer."""
    seeming: dict[int, str] = {}
    of_the_system = SyncStream.get_extra_info

    def get_extra_info(stream: SyncStream, info: str) -> object:
        found = of_the_system(stream, info)
        return (seeming.get(found[1], found[0]), *found[1:]) if info == "server_addr" else found

    monkeypatch.setattr(SyncStream, "get_extra_info", get_extra_info)
    return lambda url, address: seeming.__setitem__(port_of(url), address)


@pytest.fixture
def names(monkeypatch) -> dict[str, str]:
    """What names resolve to; connections go to loopback all the same."""
    known: dict[str, str] = {}
    resolve = socket.getaddrinfo

    def getaddrinfo(host, port, *arguments, **options):
        if host in known and port is None:  # asked for the address alone
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known[host], 0))]
        return resolve("127.0.0.1" if host in known else host, port, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


def redirect(site: TripSite, to: str) -> None:
    site.fail(PARQUET, Answer(302, b"", {"Location": to}), times=None, method=None)


def gets_of(site: TripSite) -> list[str]:
    return [request.method for request in site.requests]


class TestRedirects:
    @pytest.mark.parametrize(
        "address",
        INTERNAL,
    )
    def test_a_name_that_leads_to_an_internal_address_is_not_asked(self, fetch, site, other, seem, names, address):
        names |= {"files.example": PUBLIC, "inner.example": address}
        fetch.base = f"http://files.example:{port_of(site.url)}"
        seem(site.url, PUBLIC)
        seem(other.url, address)
        redirect(site, f"http://inner.example:{port_of(other.url)}{PARQUET}")
        with pytest.raises(SourceError, match=r"is redirected to inner\.example, an address of this machine") as error:
            fetch(PARQUET)
        assert error.value.url == fetch.base + PARQUET
        assert gets_of(other) == []

    @pytest.mark.parametrize(
        "host", ["169.254.169.254", "[fd00:ec2::254]", "127.0.0.1", "localhost", "a.localhost", "10.0.0.1", "0.0.0.0"]
    )
    def test_an_internal_address_is_not_even_connected_to(self, fetch, site, seem, names, host):
        names["files.example"] = PUBLIC
        fetch.base = f"http://files.example:{port_of(site.url)}"
        redirect(site, f"http://{host}:1{PARQUET}")
        with pytest.raises(SourceError, match="an address of this machine or its network") as error:
            fetch(PARQUET)
        assert type(error.value) is SourceError

    def test_a_name_in_other_letters_is_seen_by_where_it_leads(self, fetch, site, other, seem, names):
        names |= {"files.example": PUBLIC, "xn--bcher-kva.example": "127.0.0.1"}
        fetch.base = f"http://files.example:{port_of(site.url)}"
        seem(site.url, PUBLIC)
        redirect(site, f"http://xn--bcher-kva.example:{port_of(other.url)}{PARQUET}")
        with pytest.raises(SourceError, match="an address of this machine or its network"):
            fetch(PARQUET)
        assert gets_of(other) == []

    @pytest.mark.parametrize("number", ["2130706433", "0x7f000001", "127.1"])
    def test_other_spellings_of_an_address_are_seen_by_where_they_lead(self, fetch, site, other, names, number):
        names["files.example"] = PUBLIC
        fetch.base = f"http://files.example:{port_of(site.url)}"
        redirect(site, f"http://{number}:{port_of(other.url)}{PARQUET}")
        with pytest.raises(SourceError, match="an address of this machine or its network"):
            fetch(PARQUET)
        assert gets_of(other) == []

    def test_to_another_public_server_they_are_followed(self, fetch, site, other, seem, names, parquet):
        names |= {"files.example": PUBLIC, "objects.example": PUBLIC}
        fetch.base = f"http://files.example:{port_of(site.url)}"
        seem(site.url, PUBLIC)
        seem(other.url, PUBLIC)
        other.put(PARQUET, parquet)
        redirect(site, f"http://objects.example:{port_of(other.url)}{PARQUET}")
        assert fetch(PARQUET).path.read_bytes() == parquet

    def test_an_internal_source_may_redirect_to_another(self, fetch, site, other, parquet):
        other.put(PARQUET, parquet)
        redirect(site, f"{other.url}{PARQUET}")
        assert fetch(PARQUET).path.read_bytes() == parquet

    def test_a_proxy_may_be_internal(self, site, other, names, monkeypatch, parquet):
        names |= {"files.example": PUBLIC, "objects.example": PUBLIC}
        redirect(other, f"http://objects.example{PARQUET}")
        with proxy_to({"files.example": other.url, "objects.example": site.url}) as url:
            monkeypatch.setenv("HTTP_PROXY", url)
            monkeypatch.delenv("NO_PROXY", raising=False)
            with (
                httpx.Client() as client,
                open_response(client, "GET", f"http://files.example{PARQUET}", SWIFT) as response,
            ):
                assert response.read() == parquet
            other.heal(PARQUET)
            redirect(other, f"http://169.254.169.254{PARQUET}")
            with (
                httpx.Client() as client,
                pytest.raises(SourceError, match=r"redirected to 169\.254"),
                open_response(client, "GET", f"http://files.example{PARQUET}", SWIFT),
            ):
                pass

    def test_of_what_another_host_says_nothing_is_quoted(self, fetch, site, other, names):
        names["localhost"] = "127.0.0.1"
        redirect(site, f"http://localhost:{port_of(other.url)}{PARQUET}")
        with pytest.raises(NotTripFile, match="sent text, expected a Parquet file") as error:
            fetch(PARQUET)
        assert SECRET.decode() not in str(error.value)
        site.heal(PARQUET)
        site.put(PARQUET, SECRET + b" and so on" * 100)
        with pytest.raises(NotTripFile, match="it begins: 'HUNTER2 and so on") as error:
            fetch(PARQUET)
        assert len(str(error.value)) < 400

    def test_the_body_of_a_redirect_is_not_read(self, client):
        head = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"
        with serving(lambda connection: endless(connection, head, b"x" * 65536, 0)) as (url, sent):
            with pytest.raises(TryAgain), open_response(client, "GET", url, SWIFT):
                pass
            assert sum(sent) < 50 << 20

    def test_they_have_an_end(self, fetch, site):
        redirect(site, PARQUET)
        with pytest.raises(SourceUnavailable, match="more than 10 redirects"):
            fetch(PARQUET)


def test_internal_is_what_is_not_of_the_internet():
    assert not is_internal(PUBLIC)
    assert not is_internal("2606:2800:220:1::1")
    assert is_internal("fe80::1%eth0")


@contextmanager
def serving(answer: Callable[[socket.socket], Iterator[int]]) -> Iterator[tuple[str, list[int]]]:
    """A server that sends what ``answer`` does to each connection, and how many bytes that were."""
    sent: list[int] = []

    def run() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    sent.extend(answer(connection))
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/x.csv", sent
        server.shutdown(socket.SHUT_RDWR)
    thread.join(60)


def endless(connection: socket.socket, head: bytes, piece: bytes, wait: float) -> Iterator[int]:
    connection.sendall(head)
    for _ in range(2_000):
        connection.sendall(piece)
        time.sleep(wait)
        yield len(piece)


def once(answer: bytes) -> Callable[[socket.socket], Iterator[int]]:
    def send(connection: socket.socket) -> Iterator[int]:
        connection.sendall(answer)
        yield len(answer)

    return send


@contextmanager
def proxy_to(hosts: dict[str, str]) -> Iterator[str]:
    """A forward proxy on loopback, which knows where hosts are."""

    def run() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                line = connection.recv(65536).split(b" ")
                asked = httpx.URL(line[1].decode())
                answer = httpx.get(f"{hosts[asked.host]}{asked.path}", trust_env=False)
                location = answer.headers.get("Location")
                head = f"Location: {location}\r\n" if location else ""
                connection.sendall(
                    f"HTTP/1.1 {answer.status_code} x\r\n{head}Content-Length: {len(answer.content)}\r\n"
                    f"Connection: close\r\n\r\n".encode()
                    + answer.content
                )

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(60)


DIGITS = b"9" * 5_000
ODD = b"x\x1b]0;owned\x07"
HEADS = {
    "Content-Length": (b"200 OK", b"Content-Length: " + DIGITS),
    "Content-Length below 0": (b"200 OK", b"Content-Length: -5"),
    "two lengths": (b"200 OK", b"Content-Length: 5\r\nContent-Length: 6"),
    "Content-Range": (b"206 x", b"Content-Length: 1\r\nContent-Range: bytes 0-0/" + DIGITS),
    "Retry-After": (b"503 x", b"Retry-After: " + DIGITS),
    "Retry-After date": (b"503 x", b"Retry-After: Mon, 01 Jan 99999999999999999999999 00:00:00 GMT"),
    "NUL": (b"200 OK", b"ETag: a\0" + SECRET),
    "no header": (b"200 OK", SECRET),
    "many": (b"200 OK", b"\r\n".join([b"A: b"] * 30_000)),
    "status": (DIGITS + SECRET, b"A: b"),
    "redirect to nowhere": (b"302 x", b"Location: http://[::1" + SECRET),
    "redirect to a port": (b"302 x", b"Location: http://a:" + DIGITS),
    "redirect to a label": (b"302 x", b"Location: http://" + b"a" * 300),
    "redirect to a file": (b"302 x", b"Location: file:///etc/passwd"),
}


@pytest.mark.parametrize("name", HEADS)
def test_an_absurd_answer_is_a_sentence(fetch, name):
    status, header = HEADS[name]
    head = b"HTTP/1.1 " + status + b"\r\n" + header + b"\r\nConnection: close\r\n\r\n"
    with serving(once(head)) as (url, _), pytest.raises((SourceUnavailable, ParameterError)) as error:
        fetch.base = url.removesuffix("/x.csv")
        fetch("/x.csv")
    words = str(error.value)
    assert words.startswith(url)
    assert len(words) < 400
    assert SECRET.decode() not in words
    assert "999" not in words


@pytest.mark.parametrize("header", [b"ETag: " + ODD, b"Last-Modified: " + ODD, b"ETag: " + b"x" * 50_000])
def test_a_version_that_no_server_of_files_has_is_taken_for_none(fetch, header):
    body = b"a,b\n1,2\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n" + header + b"\r\n\r\n"
    with serving(once(head + body)) as (url, _):
        fetch.base = url.removesuffix("/x.csv")
        got = fetch("/x.csv")
    assert got.path.read_bytes() == body
    assert got.etag.startswith("8-")
    assert "owned" not in got.path.with_name("x.csv.json").read_text()


def test_a_server_of_a_few_bytes_a_minute_is_given_up(fetch):
    """A minute is a fifth of a second here, and its every byte comes before the silence that counts as broken."""
    policy = {"slow_after": 0.2, "least_bytes": 1_000, "failures": 2, "read": 5}
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    with serving(lambda connection: endless(connection, head, b"1", 0.02)) as (url, _sent):
        fetch.base = url.removesuffix("/x.csv")
        with pytest.raises(SourceUnavailable, match=r"failed 2 times.*at last only \d+ bytes came in 0\.2 s"):
            fetch.with_retry_policy(**policy)("/x.csv")
    assert RetryPolicy().least_bytes == RetryPolicy().slow_after * 1_000


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# What comes at once, and what comes again and again, without which httpcore has nothing to tell.
UNFINISHED = {
    "status": (b"HTTP/1.1 200 ", b"a"),
    "header": (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "length of a chunk": (CHUNKED + b"1;", b"a"),
    "trailer": (CHUNKED + b"1\r\na\r\n0\r\nX: ", b"a"),
}


@pytest.mark.parametrize("name", UNFINISHED)
def test_what_never_becomes_whole_is_given_up(fetch, name):
    with serving(lambda connection: endless(connection, *UNFINISHED[name], 0.02)) as (url, _sent):
        fetch.base = url.removesuffix("/x.csv")
        with pytest.raises(SourceUnavailable, match=r"at last it sent too little to go on for 0\.2 s"):
            fetch.with_retry_policy(slow_after=0.2, failures=2)("/x.csv")


def test_a_head_never_becomes_whole_on_a_connection_that_was_good(client):
    policy = replace(SWIFT, slow_after=0.2)
    connections = []

    def good_once(connection: socket.socket) -> Iterator[int]:
        connections.append(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
        if connection.recv(65536):
            yield from endless(connection, *UNFINISHED["header"], 0.02)

    with serving(good_once) as (url, _sent):
        with open_response(client, "GET", url, policy) as response:
            assert list(read_body(response, policy)) == [b"a"]
        with pytest.raises(TryAgain, match="too little to go on") as failure, open_response(client, "GET", url, policy):
            pass
    assert not failure.value.is_progress
    assert len(connections) == 1


def test_a_head_never_becomes_whole_behind_a_redirect(fetch, site):
    with serving(lambda connection: endless(connection, *UNFINISHED["header"], 0.02)) as (url, _sent):
        redirect(site, url)
        with pytest.raises(SourceUnavailable, match="too little to go on"):
            fetch.with_retry_policy(slow_after=0.2, failures=1)(PARQUET)


def test_a_slow_server_that_is_fast_enough_is_waited_for(fetch, site, parquet):
    site.fail(PARQUET, Throttle(3_000_000), method="GET")
    assert fetch.with_retry_policy(slow_after=0.1, least_bytes=1_000)(PARQUET).path.read_bytes() == parquet
