"""The one endpoint of Kubernetes' API that a worker asks to start a run, on loopback, and the check of what it gets.

with KubernetesApi(folder) as cluster:
    subprocess.run(…, env={**os.environ, **cluster.environment})
cluster.jobs
"""

from __future__ import annotations

import copy
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import kubernetes_validate
import yaml

VERSION = "1.37"


def check_job(job: dict[str, Any]) -> None:
    """Raise ValidationError if Kubernetes' schema of a job knows a part of it not, or otherwise.

    Less what Prefect's own template has in the wrong place, beside the job's default: Kubernetes ignores it there.
    """
    checked = copy.deepcopy(job)
    assert checked["spec"]["template"]["spec"].pop("completions") == 1
    assert checked["spec"]["template"]["spec"].pop("parallelism") == 1
    kubernetes_validate.validate(checked, VERSION, strict=True)


class KubernetesApi:
    """Takes jobs that the schema allows, and keeps them; anything else is a 422 or a 404."""

    def __init__(self, folder: Path):
        self.jobs: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self._config = folder / "kubeconfig"

    @property
    def environment(self) -> dict[str, str]:
        return {"KUBECONFIG": str(self._config)}

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        url = f"http://127.0.0.1:{self._server.server_port}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "loopback",
            "clusters": [{"name": "loopback", "cluster": {"server": url}}],
            "contexts": [{"name": "loopback", "context": {"cluster": "loopback", "user": "worker"}}],
            "users": [{"name": "worker", "user": {"token": "made-up"}}],
        }
        self._config.write_text(yaml.safe_dump(config), encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def create(self, path: str, job: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and the body of the answer."""
        if path != f"/apis/batch/v1/namespaces/{job['metadata']['namespace']}/jobs":
            self.refused.append(path)
            return 404, {"kind": "Status", "apiVersion": "v1", "code": 404}
        try:
            check_job(job)
        except kubernetes_validate.ValidationError as error:
            self.refused.append(error.message)
            return 422, {"kind": "Status", "apiVersion": "v1", "code": 422, "message": error.message}
        self.jobs.append(job)
        name = f"{job['metadata']['generateName']}{len(self.jobs)}"
        return 201, job | {"metadata": job["metadata"] | {"name": name}}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = cluster.create(self.path.partition("?")[0], body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
