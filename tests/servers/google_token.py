"""Google's OAuth token endpoint on loopback, and service-account keys that use it.

    with TokenServer() as tokens:
        for name, value in tokens.environment.items():
            monkeypatch.setenv(name, value)
        key = service_account_file(tmp_path / "key.json", f"{tokens.url}/token", project="test-project")
        GcpCredentials(service_account_file=key, project="test-project")

The key is generated each time; nothing in it opens anything.
"""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from tests.servers.recording import RecordedRequest, RecordingServer, Response

# google-auth asserts for this audience whatever the key's token_uri is.
AUDIENCE = "https://oauth2.googleapis.com/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class TokenServer(RecordingServer):
    """Gives an access token for each valid assertion of a service account; `issued` has all of them.

    `assertions` lists the claims received: `iss` (the account), `scope`, `aud`, `exp`. Signatures are not verified.
    With `environment` set, it is also the proxy that refuses every HTTPS connection: with the key of a service account
    google-auth asks iamcredentials.googleapis.com for its regions in the background, which no setting turns off.
    """

    def __init__(self, *, expires_in: int = 3600):
        super().__init__()
        self.issued: set[str] = set()
        self.assertions: list[dict[str, Any]] = []
        self._expires_in = expires_in

    @property
    def environment(self) -> dict[str, str]:
        """The variables that keep google-auth from leaving the machine."""
        proxies = {"HTTPS_PROXY": self.url, "https_proxy": self.url}
        return proxies | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}

    def operation_of(self, request: RecordedRequest) -> str:
        """A request for a token, or an attempt to reach another host."""
        return "connect" if request.method == "CONNECT" else "token"

    def answer(self, request: RecordedRequest) -> Response:
        """A new bearer token, or why the assertion is refused, in OAuth's own form."""
        if request.operation == "connect":
            return Response(403)
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if request.method != "POST" or form.get("grant_type") != GRANT or "assertion" not in form:
            return _refused("a POST with a jwt-bearer assertion is expected")
        claims = jwt.decode(form["assertion"], verify=False)
        if claims["aud"] not in (AUDIENCE, f"{self.url}{request.path}", self.url):
            return _refused(f"the assertion is for {claims['aud']}")
        if claims["exp"] < time.time() or "scope" not in claims:
            return _refused("the assertion is out of date or without scope")
        self.assertions.append(claims)
        token = f"test-token-{uuid.uuid4().hex}"
        self.issued.add(token)
        return Response(json={"access_token": token, "expires_in": self._expires_in, "token_type": "Bearer"})


def _refused(why: str) -> Response:
    return Response(400, {"error": "invalid_grant", "error_description": why})


def service_account_file(path: Path, token_uri: str, project: str) -> Path:
    """Write a generated service-account key that gets its tokens from `token_uri`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": uuid.uuid4().hex,
        "private_key": pem,
        "client_email": f"loader@{project}.iam.gserviceaccount.com",
        "client_id": "100000000000000000000",
        "token_uri": token_uri,
    }
    path.write_text(json.dumps(account))
    path.chmod(0o600)
    return path
