"""The Caddyfile in a real Caddy, which Debian has, before a real server: TLS, the login, WebSockets."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import websockets

from tests.servers.compose_file import PROJECT
from tests.servers.postgres_process import prefect_database
from tests.servers.prefect_process import PrefectServer, free_port

LOGIN = "tlc:canary-of-the-server"
STARTUP_SECONDS = 30


@dataclass(frozen=True)
class Proxy:
    """Where it answers, and the certificate of the authority that it made."""

    address: str
    trusted: ssl.SSLContext


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("NO CADDY: apt-get install caddy; deployments/containers/verify.sh does")
    folder = tmp_path_factory.mktemp("tls")
    with prefect_database() as database:
        settings = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": database, "PREFECT_SERVER_API_AUTH_STRING": LOGIN}
        server = PrefectServer(folder, **settings)
        port = free_port()
        (folder / "caddy.json").write_text(json.dumps(here(program, folder, port, server.port)))
        environment = os.environ | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        command = [program, "run", "--config", folder / "caddy.json"]
        with (
            server,
            (folder / "log").open("wb") as log,
            subprocess.Popen(command, env=environment, stderr=log) as caddy,
        ):
            try:
                yield Proxy(f"localhost:{port}", trusted(folder))
            finally:
                caddy.terminate()


def here(program: str, folder: Path, port: int, server_port: int) -> object:
    """The file as Caddy reads it, with this machine's ports in the place of the container's; on loopback alone."""
    caddyfile = (PROJECT / "deployments/containers/Caddyfile").read_text(encoding="utf-8")
    (folder / "Caddyfile").write_text(caddyfile.replace("server:4200", f"127.0.0.1:{server_port}"))
    command = [program, "adapt", "--adapter", "caddyfile", "--config", folder / "Caddyfile"]
    environment = os.environ | {"PREFECT_UI_URL": f"https://localhost:{port}"}
    read = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    (site,) = read["apps"]["http"]["servers"].values()
    site |= {"listen": [f"127.0.0.1:{port}"], "automatic_https": {"disable_redirects": True}}
    return read


def trusted(folder: Path) -> ssl.SSLContext:
    """Its authority, once it is made."""
    authority = folder / "caddy/pki/authorities/local/root.crt"
    deadline = time.monotonic() + STARTUP_SECONDS
    while not authority.exists() or not authority.read_text().rstrip().endswith("-----END CERTIFICATE-----"):
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.1)
    return ssl.create_default_context(cafile=authority)


def test_api_and_ui_answer_by_tls_with_the_login(proxy: Proxy) -> None:
    transport = httpx.HTTPTransport(verify=proxy.trusted, retries=5)
    with httpx.Client(base_url=f"https://{proxy.address}", transport=transport) as client:
        assert client.get("/api/health").status_code == 200
        assert "<html" in client.get("/", follow_redirects=True).text
        assert client.post("/api/flows/filter", json={}).status_code == 401
        user, _, password = LOGIN.partition(":")
        assert client.post("/api/flows/filter", json={}, auth=(user, password)).json() == []


def test_events_pass_by_websocket(proxy: Proxy) -> None:
    async def answer(token: str) -> str:
        url = f"wss://{proxy.address}/api/events/out"
        async with websockets.connect(
            url, ssl=proxy.trusted, subprotocols=[websockets.Subprotocol("prefect")]
        ) as socket:
            await socket.send(json.dumps({"type": "auth", "token": token}))
            try:
                return str(json.loads(await socket.recv())["type"])
            except websockets.ConnectionClosed as closed:
                return closed.reason

    assert asyncio.run(answer(LOGIN)) == "auth_success"
    assert asyncio.run(answer("tlc:wrong")) != "auth_success"
