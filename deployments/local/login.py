"""The login of Prefect's server on this machine: made at random, in a file that only its owner reads.

Without one, every local user could read the blocks' secrets and, through a run's job variables, run commands as the
owner; so could a web page that has its own name resolved to 127.0.0.1.
"""

from __future__ import annotations

from pathlib import Path

from blocks.login import new_login


def login_file(folder: Path) -> Path:
    """Where the platform in ``folder`` keeps ``user:password``; it is not there if the server asks for none."""
    return folder / "prefect-login"


def read_login(folder: Path) -> str | None:
    """``user:password``; None if the server asks for none."""
    try:
        return login_file(folder).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def ensure_login(folder: Path) -> bool:
    """Make a login unless there is one; whether it is new."""
    if read_login(folder):
        return False
    unfinished = login_file(folder).with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(f"{new_login()}\n", encoding="utf-8")
    unfinished.replace(login_file(folder))
    return True


def login_environment(folder: Path) -> dict[str, str]:
    """The variables by which the server asks for the login, and its clients give it."""
    login = read_login(folder)
    return {"PREFECT_SERVER_API_AUTH_STRING": login, "PREFECT_API_AUTH_STRING": login} if login else {}
