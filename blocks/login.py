"""A login of a Prefect server of our own, made at random."""

from __future__ import annotations

import secrets

_USER = "tlc"


def new_login() -> str:
    """``user:password``, as Prefect's settings have it."""
    return f"{_USER}:{secrets.token_urlsafe(24)}"
