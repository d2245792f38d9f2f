"""Tell s6 when a service can be used (its notification fd), by asking it: an HTTP answer or an open port.

A child of the service's own start watches, so no interpreter is started for it; it ends with the service or once it is ready.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable

from backend.boot.timeline import now_ms

_EVERY_S = 0.025
_LATER_EVERY_S = 0.25
_EAGER_MS = 10_000
_ANSWER_S = 2.0
_LONGEST_ANSWER = 1024 * 1024


def watch(address: str, *, pid: int, on_ready: Callable[[], None]) -> None:
    """Ask *address* until it answers or the process *pid* is gone; blocking.

    Args:
        address: ``http://127.0.0.1:8188/path`` answers below 500, ``tcp://127.0.0.1:8001`` accepts.
    """
    began = now_ms()
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return  # gone already
    while not answers(address):
        pause = _EVERY_S if now_ms() - began < _EAGER_MS else _LATER_EVERY_S
        if select.select([handle], [], [], pause)[0]:
            return
    on_ready()


def answers(address: str) -> bool:
    """Tell whether *address* answers now; blocking for two seconds at most."""
    scheme, _, rest = address.partition("://")
    authority, _, path = rest.partition("/")
    host, _, port = authority.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_ANSWER_S) as connection:
            if scheme == "tcp":
                return True
            connection.sendall(f"GET /{path} HTTP/1.0\r\nHost: {authority}\r\n\r\n".encode())
            answer = b""
            while (block := connection.recv(65536)) and len(answer) < _LONGEST_ANSWER:
                answer += block  # to its end: who hangs up earlier stands in the service's log as a fault
            return answer.split(b" ", 2)[1:2] != [] and answer.split(b" ", 2)[1][:1] in (b"2", b"3", b"4")
    except (OSError, ValueError):
        return False
