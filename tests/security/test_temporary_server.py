"""The server that Prefect starts for a flow in plain Python: strangers get nothing of it; the run misses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from deployments.server.declared import PROJECT
from deployments.tlc_site.site import TripSite
from tests.conftest import Database
from tests.security.remains import of_files, of_postgres

# As in docs/operate.md; then what others on this machine ask, and what the run's own client finds, before it ends.
PLAIN_PYTHON = """
from flows import api_to_postgres as load; report = load(dataset='green', month='2020-12')

import json, sys
import httpx, psutil
from prefect.client.orchestration import get_client
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import get_current_settings

given = get_current_settings().api.auth_string
login = given.get_secret_value() if given else ""
APILogWorker.drain_all()
EventsWorker.drain_all()
page = {"Origin": "http://evil.example"}
strangers = {"other user": {}, "web page": page, "guess": {"Authorization": "Basic dGxjOmd1ZXNzZWQ="}}
seen = {"status": report.status, "login": login, "answers": {}}
with get_client(sync_client=True) as client:
    url = SubprocessASGIServer().api_url
    assert str(client.api_url).rstrip("/") == url
    seen["runs"] = [run.state_type.value for run in client.read_flow_runs()]
    seen["logs"] = len(client.read_logs())
    seen["events"] = client._client.post("/events/filter", json={}).json()["total"]
for who, headers in strangers.items():
    with httpx.Client(base_url=url, headers=headers, timeout=30) as stranger:
        asked = [
            stranger.post("/block_documents/filter", json={"include_secrets": True}),
            stranger.post("/flows/", content=b'{"name": "planted"}'),
            stranger.get("/admin/settings"),
        ]
        seen["answers"][who] = [answer.status_code for answer in asked]
preflight = httpx.options(url + "/flows/", headers=page | {"Access-Control-Request-Method": "POST"})
seen["allowed"] = preflight.headers.get("access-control-allow-origin")
mine = [psutil.Process(), *psutil.Process().children(recursive=True)]
seen["commands"] = [process.cmdline() for process in mine]
json.dump(seen, open(sys.argv[1], "w"))
"""


def test_strangers_get_nothing_while_a_flow_in_plain_python_runs(
    site: TripSite, database: Database, tmp_path: Path
) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "TLC_"))}
    environment = plain | {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "TLC_POSTGRES_URL": database.url,
        "TLC_SOURCE_URL": site.url,
        "TLC_CACHE_DIR": str(tmp_path / "cache"),
        "TLC_LOCAL_DIR": str(tmp_path / "local"),
    }
    found = tmp_path / "seen.json"
    command = [sys.executable, "-c", PLAIN_PYTHON, str(found)]
    done = subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(found.read_text())
    found.unlink()
    assert seen["answers"] == dict.fromkeys(("other user", "web page", "guess"), [401] * 3)
    assert seen["allowed"] is None
    assert (seen["status"], seen["runs"]) == ("loaded", ["COMPLETED"])
    assert seen["logs"] > 0
    assert seen["events"] > 0
    password = seen["login"].partition(":")[2]
    assert len(password) >= 32
    kept = [*of_files(tmp_path), *of_postgres(lambda statement: database.query(statement.replace("%", "%%")))]
    kept += [("output", (done.stdout + done.stderr).encode()), ("commands", json.dumps(seen["commands"]).encode())]
    assert [name for name, text in kept if password.encode() in text] == []
