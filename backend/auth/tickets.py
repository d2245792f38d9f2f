"""One-minute tickets that open one WebSocket each, for scripts that must not put a lasting token into an address."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from backend.auth.identity import Identity
from backend.kit.clock import monotonic_s

TICKET_LIFE_S = 60
_MAX_TICKETS = 1000
_RANDOM_BYTES = 24


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket at the only moment when it can be seen."""

    value: str = field(repr=False)
    expires_in_s: int


class Tickets:
    """Hand out and take back tickets; they live in memory and end with the process."""

    def __init__(self, now_s: Callable[[], float] = monotonic_s) -> None:
        self._now_s = now_s
        self._open: OrderedDict[str, tuple[float, Identity]] = OrderedDict()

    def issue(self, identity: Identity) -> Ticket:
        """Make a ticket with the rights of *identity*."""
        self._drop_old()
        value = secrets.token_urlsafe(_RANDOM_BYTES)
        self._open[value] = (self._now_s() + TICKET_LIFE_S, replace(identity, kind="ticket"))
        return Ticket(value, TICKET_LIFE_S)

    def redeem(self, value: str) -> Identity | None:
        """Take a ticket; it never works again."""
        self._drop_old()
        entry = self._open.pop(value, None)
        return None if entry is None else entry[1]

    def _drop_old(self) -> None:
        now = self._now_s()
        while self._open:
            expires_at, _ = next(iter(self._open.values()))
            if expires_at > now and len(self._open) < _MAX_TICKETS:
                return
            self._open.popitem(last=False)
