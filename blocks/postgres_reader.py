"""Who else reads an embedded Postgres: DBeaver and its like, as one role, by password at a port of this machine."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
ROLE = "tlc_reader"
DATABASE = "postgres"
_ALLOW = f"host {DATABASE} {ROLE} {HOST}/32 scram-sha-256\n"


@dataclass(frozen=True)
class Reader:
    """At which port it comes in, and by which password."""

    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """With the password: for its owner's eyes."""
        return f"postgresql://{ROLE}:{self.password}@{HOST}:{self.port}/{DATABASE}"


def password_file(folder: Path) -> Path:
    """Where the reader of the server in ``folder`` is noted, as libpq reads passwords; no file, no port."""
    return folder.resolve().with_suffix(".pgpass")


def noted_reader(folder: Path) -> Reader | None:
    """The reader of the server in ``folder``; None if nobody has asked for one."""
    try:
        _, port, _, _, password = password_file(folder).read_text().strip().split(":")
    except FileNotFoundError:
        return None
    return Reader(int(port), password)


def note_reader(folder: Path, port: int) -> Reader:
    """Have the server in ``folder`` listen at ``port`` from its next start on. An earlier password stays."""
    noted = noted_reader(folder)
    reader = Reader(port, noted.password if noted else secrets.token_hex(16))
    file = password_file(folder)
    whole = file.with_suffix(".new")  # the server does not start with half a note
    whole.touch(mode=0o600)
    whole.write_text(f"{HOST}:{port}:{DATABASE}:{ROLE}:{reader.password}\n")
    whole.replace(file)
    return reader


def let_in_reader(folder: Path) -> None:
    """Have the server in ``folder``, which does not run, ask the reader for its password; the other rules stay."""
    rules = folder / "pg_hba.conf"
    if _ALLOW not in (said := rules.read_text()):
        rules.write_text(f"{said}{_ALLOW}")
