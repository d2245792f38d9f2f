"""A process learns where it accepts connections, whoever opened the socket."""

from __future__ import annotations

import os
import socket

import pytest

from backend.kit.listening import listening_addresses


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_socket_counts_from_the_moment_it_listens(family: int, host: str) -> None:
    """Bound alone it does not; closed it does not any more."""
    before = listening_addresses()
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        try:
            listener.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        assert listening_addresses() == before
        listener.listen()
        assert listening_addresses() - before == {listener.getsockname()[:2]}
    assert listening_addresses() == before


def test_other_descriptors_are_not_disturbed() -> None:
    """Files, pipes, connections and sockets of other families stay as they are."""
    reader, writer = os.pipe()
    ours, theirs = socket.socketpair()
    before = listening_addresses()
    try:
        assert listening_addresses() == before
        os.write(writer, b"x")
        assert os.read(reader, 1) == b"x"
        ours.sendall(b"y")
        assert theirs.recv(1) == b"y"
    finally:
        for end in (ours, theirs):
            end.close()
        os.close(reader)
        os.close(writer)
