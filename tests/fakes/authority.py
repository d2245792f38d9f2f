"""A certificate authority for the tests of one process, and what a server needs of it."""

from __future__ import annotations

import atexit
import os
import ssl
import tempfile
from functools import lru_cache
from pathlib import Path

import trustme


class TestAuthority:
    """Sign certificates for loopback; ``path`` is the PEM file that clients trust."""

    __test__ = False

    def __init__(self) -> None:
        self._ca = trustme.CA()
        handle, name = tempfile.mkstemp(prefix="hearth-test-ca-", suffix=".pem")
        os.close(handle)
        self.path = Path(name)
        self.path.write_bytes(self._ca.cert_pem.bytes())
        atexit.register(self.path.unlink, missing_ok=True)
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert("127.0.0.1", "localhost").configure_cert(self.server_context)

    @classmethod
    def shared(cls) -> TestAuthority:
        """Return the one authority of this process."""
        return _shared()


@lru_cache(maxsize=1)
def _shared() -> TestAuthority:
    return TestAuthority()
