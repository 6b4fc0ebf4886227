"""Who a Postgres server of our own runs as, who may connect to it, and by which path its socket is found."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

from flows.tlc.errors import TargetUnavailable

# As root, Postgres does not run: this user is made for it.
_SERVER_USER = "pgserver"
_PEER = "local all all peer map=owner\n"
# Of the address of a Unix socket, 104 bytes on macOS and 108 on Linux, its own name and a null byte take 16.
_LONGEST_FOLDER = 88
# Characters that need no escape in a URL, nor in what reads one.
_PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
# Short, and there on every system, for as long as the machine runs: a user's runtime folder ends with the last login.
SHORT = Path("/tmp")  # noqa: S108 - what is made there has a folder of its user's own


class PostgresFailed(TargetUnavailable):
    """The embedded server does not start. The message says why, and where its log is if it has one."""


def let_in_owner_only(folder: Path) -> None:
    """Have the server of that folder let in its owner, as any role, and nobody else, unless the file says who."""
    rules = folder / "pg_hba.conf"
    if _PEER in rules.read_text():
        return
    users = {pwd.getpwuid(uid).pw_name for uid in (os.geteuid(), folder.stat().st_uid)}
    (folder / "pg_ident.conf").write_text("".join(f'owner "{user}" all\n' for user in sorted(users)))
    rules.write_text(f"# Whoever owns this folder may connect, as any role.\n{_PEER}")


def runs_as(folder: Path) -> tuple[int, int] | None:
    """User and group of the server in ``folder``, if they are not those of who starts it."""
    if os.geteuid() != 0:
        return None
    if folder.stat().st_uid == 0:
        os.chown(folder, *_server_user())
    owner = folder.stat()
    return owner.st_uid, owner.st_gid


def socket_folder(folder: Path) -> Path:
    """The folder by whose path clients find the socket that lies in ``folder``: itself, or else a link to it.

    A link if the path is too long for a socket, or not the same in a URL as on the disk.
    """
    if len(os.fsencode(folder)) <= _LONGEST_FOLDER and _PLAIN.fullmatch(str(folder)):
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    # Somebody else may have taken a name first.
    places = (SHORT / f"tlc-{os.geteuid()}-{name}-{number}" for number in range(100))
    own = next(filter(_made_own, places), None)
    if own is None:
        raise PostgresFailed(f"Postgres has no folder for its socket: others have taken {SHORT}/tlc-{os.geteuid()}-*.")
    link = own / "postgres"
    if not link.is_symlink() or link.readlink() != folder:
        link.unlink(missing_ok=True)
        link.symlink_to(folder)
    return link


def forget_socket_folder(folder: Path) -> None:
    """Remove the link to ``folder``, if there is one."""
    if (link := socket_folder(folder)) != folder:
        link.unlink()
        link.parent.rmdir()


def _made_own(place: Path) -> bool:
    """Whether the folder is there, ours, and closed to others; it is made if it is not there."""
    with suppress(FileExistsError):
        place.mkdir(mode=0o700)
    status = place.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077


def _server_user() -> tuple[int, int]:
    command = ["useradd", "--system", "--no-create-home", _SERVER_USER]
    try:
        pwd.getpwnam(_SERVER_USER)
    except KeyError:
        with suppress(OSError):
            subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - our own words
    try:
        user = pwd.getpwnam(_SERVER_USER)
    except KeyError:
        raise PostgresFailed(f"Postgres does not run as root. Make a user for it: {' '.join(command)}.") from None
    return user.pw_uid, user.pw_gid
