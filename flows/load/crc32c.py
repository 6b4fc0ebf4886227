"""CRC32C of local files, as Cloud Storage writes it."""

from __future__ import annotations

import base64
from pathlib import Path

import google_crc32c

_PIECE_BYTES = 1 << 20


def crc32c_of(content: bytes) -> str:
    """Base64 of the big-endian CRC32C."""
    return base64.b64encode(google_crc32c.Checksum(content).digest()).decode()


def crc32c_of_file(path: Path) -> str:
    """The same of a file, read once."""
    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            checksum.update(piece)
    return base64.b64encode(checksum.digest()).decode()
