"""Learn at which addresses this process accepts TCP connections.

An application that a server such as uvicorn imports is not told where that server listens, and its lifespan begins before
the server does.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

Address = tuple[str, int]

_DESCRIPTORS = Path("/dev/fd")  # Linux, macOS and the BSDs


def listening_addresses() -> frozenset[Address]:
    """Return host and port of each listening TCP socket of this process; blocking for an instant."""
    found = (_listening_at(int(entry.name)) for entry in _DESCRIPTORS.iterdir())
    return frozenset(address for address in found if address is not None)


def _listening_at(descriptor: int) -> Address | None:
    try:
        copy = os.dup(descriptor)
    except OSError:  # closed meanwhile
        return None
    try:
        handle = socket.socket(fileno=copy)
    except OSError:  # not a socket
        os.close(copy)
        return None
    with handle:
        try:
            if handle.family not in (socket.AF_INET, socket.AF_INET6) or not _accepts(handle):
                return None
            host, port = handle.getsockname()[:2]
        except OSError:
            return None
        return str(host), int(port)


def _accepts(handle: socket.socket) -> bool:
    return bool(handle.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
