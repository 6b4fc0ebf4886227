"""Make the bucket of ``TLC_LAKE_URL`` in the emulator of Cloud Storage, at ``STORAGE_EMULATOR_HOST``."""

from __future__ import annotations

import os

from google.api_core.exceptions import Conflict
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from blocks.lake import EMULATOR
from blocks.lake_url import BUCKET, bucket_and_prefix, lake_kind
from blocks.settings import Settings


def main() -> None:
    """Make it unless it is there, and say so."""
    url = Settings().lake_url or ""
    if not os.environ.get(EMULATOR):
        raise SystemExit(f"{EMULATOR} is not set: a real bucket is made by Terraform or gcloud, not here.")
    if lake_kind(url) != BUCKET:
        raise SystemExit(f"TLC_LAKE_URL={url} is no bucket: to use the emulator, set it to gs://some-name.")
    name, _ = bucket_and_prefix(url)
    client = Client(project="emulator", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call] # google-auth's
    try:
        client.create_bucket(name)
    except Conflict:
        print(f"The bucket {name} is there.")  # noqa: T201
    else:
        print(f"Made the bucket {name}.")  # noqa: T201


if __name__ == "__main__":
    main()
