"""The lake in a bucket: from its URL to the block that holds it, and from the block to a client."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from prefect_gcp import GcpCredentials, GcsBucket

from blocks.lake_url import bucket_and_prefix

__all__ = ["GcpCredentials", "GcsBucket", "bucket_block", "gcp_credentials", "is_made_up", "storage_client"]

EMULATOR = "STORAGE_EMULATOR_HOST"
# The account of the key that is made up if an emulator is set.
_NOBODY = "nobody@emulator.invalid"


def bucket_block(url: str, credentials: GcpCredentials) -> GcsBucket:
    """The block for ``gs://bucket[/prefix]``."""
    bucket, prefix = bucket_and_prefix(url)
    return GcsBucket(bucket=bucket, gcp_credentials=credentials, bucket_folder=prefix)


def gcp_credentials(project: str | None, service_account_file: Path | None) -> GcpCredentials:
    """The block that holds a service account's key; without a file, the application default credentials.

    The key is in the block, not its path: what runs in a container or on another machine loads the block too. If an
    emulator is set and there is no key either, the block holds a key made up on the spot that opens nothing: the
    block's type takes no less. Raises ValueError with what to do if the file has no key, or if there are no
    credentials at all.
    """
    if service_account_file is not None:
        return _with_key(project, service_account_file)
    if os.environ.get(EMULATOR):
        return GcpCredentials(project=project or "emulator", service_account_info=_made_up_key())
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - with the cloud only

    try:
        return GcpCredentials(project=project)
    except GoogleAuthError as error:
        raise ValueError(
            f"there are no credentials for Google Cloud ({error}). Set TLC_GCP_SERVICE_ACCOUNT_FILE to a key file, "
            "or run: gcloud auth application-default login"
        ) from error


def _with_key(project: str | None, file: Path) -> GcpCredentials:
    try:
        return GcpCredentials(project=project, service_account_info=_read_key(file))
    except (OSError, ValueError) as error:
        # Of the file, what the system says; of its content, nothing: it may be some of a key.
        why = error.strerror if isinstance(error, OSError) else "its content is another"
        raise ValueError(
            f"TLC_GCP_SERVICE_ACCOUNT_FILE={file} is not the key of a service account: {why}. Set it to a file as "
            "gcloud iam service-accounts keys create writes it."
        ) from None


def _read_key(file: Path) -> dict[str, str]:
    key = json.loads(file.expanduser().read_text(encoding="utf-8"))
    if not isinstance(key, dict) or not key:  # one that is empty the block's type takes for none
        raise ValueError
    return key


def storage_client(block: GcsBucket) -> Any:
    """A ``storage.Client`` with the block's credentials; without any if they are made up for an emulator."""
    credentials = block.gcp_credentials
    if not is_made_up(credentials):
        return credentials.get_cloud_storage_client()
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 - a second that a folder does not need
    from google.cloud.storage import Client  # noqa: PLC0415

    if not os.environ.get(EMULATOR):
        raise ValueError(
            f"the block tlc-gcp has no credentials, only a stand-in for an emulator, and {EMULATOR} is not set. "
            "Set it, or set TLC_GCP_SERVICE_ACCOUNT_FILE and run python -m blocks.register."
        )
    return Client(project=credentials.project, credentials=AnonymousCredentials())  # type: ignore[no-untyped-call] # google-auth's


def is_made_up(credentials: GcpCredentials) -> bool:
    """Whether the key opens nothing: see ``gcp_credentials``."""
    info = credentials.service_account_info
    return info is not None and info.get_secret_value().get("client_email") == _NOBODY


@cache
def _made_up_key() -> dict[str, str]:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - with an emulator only
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "emulator",
        "private_key_id": "none",
        "private_key": key.decode(),
        "client_email": _NOBODY,
        "client_id": "0",
        "token_uri": "http://127.0.0.1:9/token",  # nobody listens there
    }
