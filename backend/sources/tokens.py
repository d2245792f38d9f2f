"""Tokens for the places where files come from: one per host, kept in a file that only the owner can read.

``tokens.json`` holds ``{"version": 1, "tokens": {host: token}}`` with mode 0600. A token of the environment wins over a
stored one and is never written. Every token becomes known to redaction before anybody can ask for it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from backend.kit.atomic import write_atomic
from backend.kit.redact import register_secret
from backend.logs import get_logger
from backend.sources.errors import (
    InvalidToken,
    InvalidTokenHost,
    TokenCheckUnsupported,
    TokenLocked,
    TokenNotFound,
)

log = get_logger(__name__)

_HOST = re.compile(r"^(?:[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$")
_TOKEN = re.compile(r"^[\x21-\x7e]{1,4096}$")  # visible ASCII: what a header field may carry unquoted (RFC 9110 §5.5)
_SAME_PLACE = {
    "hf.co": "huggingface.co",
    "www.huggingface.co": "huggingface.co",
    "www.civitai.com": "civitai.com",
    "www.github.com": "github.com",
    "api.github.com": "github.com",
}
_SHOWN_CHARS = 4

Check = Callable[[str, str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class TokenDescription:
    """A token as it may be shown; ``origin`` is ``environment`` or ``stored``."""

    host: str
    origin: str
    ends_with: str


class Tokens:
    """Hold the tokens in force.

    Args:
        path: The file of stored tokens; its folder must exist before one is stored.
        environment: Host to token, from the environment.
        stored: Host to token, from the file.
    """

    def __init__(self, path: Path, environment: Mapping[str, str], stored: Mapping[str, str]) -> None:
        self._path = path
        self._environment = {token_host(host): token.strip() for host, token in environment.items() if token.strip()}
        self._stored = dict(stored)
        self._listeners: list[Callable[[str], None]] = []
        self._check: Check | None = None
        self._stands_for: dict[str, str] = {}
        self._writing = asyncio.Lock()
        for token in (*self._environment.values(), *self._stored.values()):
            register_secret(token)

    @classmethod
    def open(cls, path: Path, environment: Mapping[str, str]) -> Tokens:
        """Read the stored tokens; blocking.

        A damaged file is left as it is, a warning is logged, and no token of it is used: a start never fails for it.
        """
        return cls(path, environment, _read(path))

    def get(self, host: str) -> str | None:
        """Return the token for *host* (``name`` or ``name:port``), or None."""
        name = host.lower()
        name = _SAME_PLACE.get(name, name)
        return self._environment.get(name) or self._stored.get(name)

    def describe(self) -> list[TokenDescription]:
        """List the hosts that have a token, by name; the end of a token is shown only when most of it stays hidden."""
        origins = dict.fromkeys(self._stored, "stored") | dict.fromkeys(self._environment, "environment")
        return [TokenDescription(host, where, _end_of(self.get(host) or "")) for host, where in sorted(origins.items())]

    async def set(self, host: str, token: str) -> None:
        """Store *token* durably, then tell the listeners.

        Raises:
            InvalidTokenHost: *host* is not a host name.
            InvalidToken: The text cannot be sent in a header.
            TokenLocked: The environment holds this host's token.
        Cancelled: the old token or the new one is stored, whole.
        """
        name, value = token_host(host), token.strip()
        register_secret(value)
        if not _TOKEN.match(value):
            raise InvalidToken("The token holds blanks, line breaks or letters that no token has.")
        if name in self._environment:
            raise TokenLocked(f"The token for {name} is set by the environment.")
        async with self._writing:
            await self._replace({**self._stored, name: value})
        self._tell(name)

    async def delete(self, host: str) -> None:
        """Forget the stored token; one from the environment stays in force. Nothing stored is not an error.

        Raises:
            InvalidTokenHost: *host* is not a host name.
        """
        name = token_host(host)
        async with self._writing:
            if name not in self._stored:
                return
            await self._replace({key: value for key, value in self._stored.items() if key != name})
        self._tell(name)

    async def validate(self, host: str) -> str:
        """Send the token to its own host and return the name of the account that it belongs to.

        Raises:
            TokenNotFound: No token is kept for *host*.
            TokenCheckUnsupported: The host has no such question.
            SourceError: The host refuses the token, or fails.
        """
        name = token_host(host)
        token = self.get(name)
        if token is None:
            raise TokenNotFound(f"There is no token for {name}.")
        if self._check is None:
            raise TokenCheckUnsupported(f"{name} cannot be asked whose token it is.")
        return await self._check(name, token)

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call *listener* with the host after a stored token came, changed or went; it must not block."""
        self._listeners.append(listener)

    def serve(self, check: Check, stands_for: Mapping[str, str]) -> None:
        """Let the sources say what they know of hosts.

        Args:
            check: Answers :meth:`validate` for (host, token).
            stands_for: Endpoint to the public host whose files it serves: a token that comes for a mirror helps whatever
                waits for the host behind it.
        """
        self._check = check
        self._stands_for = dict(stands_for)

    async def _replace(self, tokens: dict[str, str]) -> None:
        text = json.dumps({"version": 1, "tokens": tokens}, indent=1, sort_keys=True)
        await asyncio.to_thread(write_atomic, self._path, text, 0o600)
        self._stored = tokens

    def _tell(self, host: str) -> None:
        for name in dict.fromkeys((host, self._stands_for.get(host, host))):
            for listener in self._listeners:
                listener(name)


def token_host(host: str) -> str:
    """Return the name under which a token of *host* is kept; an address is reduced to its host.

    Raises:
        InvalidTokenHost: It is not a host name.
    """
    name = host.strip().lower().removeprefix("https://").removeprefix("http://").rstrip("/")
    name = name.removesuffix(":443")
    if not _HOST.match(name):
        raise InvalidTokenHost("That is not the name of a host.")
    return _SAME_PLACE.get(name, name)


def _end_of(token: str) -> str:
    return token[-_SHOWN_CHARS:] if len(token) >= 4 * _SHOWN_CHARS else ""


def _read(path: Path) -> dict[str, str]:
    try:
        document: object = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("stored_tokens_unreadable", path=str(path), reason=type(error).__name__)
        return {}
    entries = cast("dict[str, object]", document).get("tokens") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        log.warning("stored_tokens_unreadable", path=str(path), reason="unknown shape")
        return {}
    if path.stat().st_mode & 0o077:
        log.warning("stored_tokens_readable_by_others", path=str(path))
        path.chmod(0o600)
    stored = cast("dict[str, object]", entries)
    return {host: token for host, token in stored.items() if isinstance(token, str) and _TOKEN.match(token)}
