"""Sign and read JSON Web Tokens (RFC 7519, HS256) with a key that lies beside the database, mode 0600.

The key is made at first start. Deleting the file ends every sign-in. PyJWT is imported at first use: its import is a
tenth of the start where ``cryptography`` is installed.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from pathlib import Path

from backend.auth.cookies import COOKIE_LIFE_S
from backend.kit.atomic import write_atomic
from backend.kit.clock import utc_now
from backend.kit.redact import register_secret

_KEY_FILE = "signing.key"
_MIN_KEY_LENGTH = 32  # characters; HS256 wants 256 bits (RFC 7518, section 3.2)
_ALGORITHM = "HS256"
_REQUIRED = ["exp", "iat", "typ"]


class Signer:
    """Make and read tokens; a token says what it is for in ``typ``, so that none serves two purposes."""

    def __init__(self, key: str) -> None:
        self._key = key
        register_secret(key)

    @classmethod
    def open(cls, directory: Path) -> Signer:
        """Read the key in *directory*, or make one; blocking."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / _KEY_FILE
        try:
            path.chmod(0o600)
            key = path.read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            key = ""
        if len(key) < _MIN_KEY_LENGTH:
            key = secrets.token_urlsafe(48)
            write_atomic(path, key, mode=0o600)
        return cls(key)

    def sign(self, purpose: str, claims: dict[str, str], *, now: datetime | None = None) -> str:
        """Return a token for *purpose*; it can be read for 400 days, what it refers to may end earlier; blocking at first use."""
        import jwt

        issued = now or utc_now()
        payload = {**claims, "typ": purpose, "iat": issued, "exp": issued + timedelta(seconds=COOKIE_LIFE_S)}
        return jwt.encode(payload, self._key, algorithm=_ALGORITHM)

    def read(self, purpose: str, token: str) -> dict[str, str] | None:
        """Return the claims of a token that we signed for *purpose*, else ``None``; blocking at first use."""
        import jwt

        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM], options={"require": _REQUIRED})
        except jwt.InvalidTokenError:
            return None
        if claims["typ"] != purpose:
            return None
        return {name: value for name, value in claims.items() if isinstance(value, str)}
