"""Whose a port of this machine is: any user's program may take one that was free a moment ago."""

from __future__ import annotations

import psutil


def listens(process: psutil.Process, port: int) -> bool:
    """Whether the process or one that it started listens there; what answers at the port may be another program."""
    try:
        return any(_listens_itself(each, port) for each in (process, *process.children(recursive=True)))
    except psutil.Error:
        return False


def _listens_itself(process: psutil.Process, port: int) -> bool:
    try:
        connections = process.net_connections("tcp")
    except psutil.Error:  # it has ended, or is another user's
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)
