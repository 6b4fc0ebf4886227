"""Ports on loopback."""

from __future__ import annotations

import socket
from argparse import ArgumentTypeError

HOST = "127.0.0.1"


def choose_port(wanted: int) -> int:
    """``wanted`` if nobody listens there, else one that is free now."""
    with socket.socket() as probe:
        # As servers do: the connections of one that was killed linger for a minute and are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            return choose_port(0)
        port: int = probe.getsockname()[1]
        return port


def port_number(text: str) -> int:
    """A command's option; raises ArgumentTypeError if it is no port."""
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        raise ArgumentTypeError(f"'{text}' is no port: 1 to 65535")
    return int(text)
