"""Tell a client's server that a job has ended: signed as Standard Webhooks 1.0 wants it, and told again until it is taken.

``webhook-signature`` is ``v1,`` and the base64 of HMAC-SHA256 over ``{webhook-id}.{webhook-timestamp}.{body}``.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias
from urllib.parse import urlsplit

from backend.database import Database
from backend.errors import HearthError
from backend.generation import store
from backend.generation.errors import InvalidGeneration
from backend.generation.job import Job
from backend.generation.shown import shown
from backend.generation.store import Webhook
from backend.kit.clock import utc_now
from backend.kit.ids import new_id
from backend.kit.redact import redact, redact_url
from backend.logs import get_logger

log = get_logger(__name__)

Post: TypeAlias = Callable[[str, bytes, Mapping[str, str]], Awaitable[int]]

# Standard Webhooks, "Deliverability and reliability": after the first attempt.
RETRY_AFTER_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
_GONE = 410
_MAX_URL = 2048


def check_webhook(url: str, *, has_secret: bool) -> None:
    """Make sure that messages can go to *url*.

    Raises:
        InvalidGeneration: It is no web address, carries a secret, or no secret is set to sign with.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > _MAX_URL:
        raise InvalidGeneration("The webhook_url is not a web address.", hint="Give an http:// or https:// address.")
    if "@" in parts.netloc or (
        parts.query and redact_url(url) != redact_url(url.partition("?")[0]) + f"?{parts.query}"
    ):
        raise InvalidGeneration(
            "The webhook_url carries a password or token, which is not stored.",
            hint="Leave it out: every message is signed, so that your server can check who sent it.",
        )
    if not has_secret:
        raise InvalidGeneration("Messages to a webhook cannot be signed.", hint="Set WEBHOOK_SECRET, then try again.")


def webhook_for(job: Job) -> Webhook:
    """Return the message that tells how *job* ended, due now."""
    now = utc_now()
    body = {"type": f"generation.{job.state}", "timestamp": now.isoformat(), "data": shown(job).as_dict()}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Webhook(f"msg_{new_id()}", job.id, job.webhook_url or "", text, due_at=now.isoformat())


def signed_headers(hook: Webhook, secret: str, at: datetime) -> dict[str, str]:
    """Return the headers of a message that is sent at *at*.

    Args:
        secret: ``whsec_`` and base64, or any text.
    """
    stamp = str(int(at.timestamp()))
    signed = f"{hook.id}.{stamp}.{hook.body}".encode()
    digest = base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()
    return {
        "Content-Type": "application/json", "webhook-id": hook.id, "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{digest}",
    }  # fmt: skip


class WebhookSender:
    """Deliver what the store holds, until it is taken or has been tried for some three days.

    Args:
        post: Sends bytes with headers to an address and returns the status; follows no redirect.
        secret: None: nothing is sent, what is stored waits.
    """

    def __init__(
        self, database: Database, post: Post, secret: str | None, *, retry_after_s: tuple[float, ...] = RETRY_AFTER_S
    ) -> None:
        self._database = database
        self._post = post
        self._secret = secret
        self._retry_after_s = retry_after_s
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def has_secret(self) -> bool:
        """Whether messages can be signed."""
        return self._secret is not None

    def start(self) -> None:
        """Deliver from now on."""
        if self._secret is not None:
            self._task = asyncio.create_task(self._run(self._secret), name="webhooks")

    def wake(self) -> None:
        """Look for new messages."""
        self._news.set()

    async def close(self) -> None:
        """Stop; what is not delivered is tried again by the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, secret: str) -> None:
        while True:
            self._news.clear()
            hooks = await self._database.read(store.load_webhooks)
            now = utc_now()
            due = [hook for hook in hooks if datetime.fromisoformat(hook.due_at or "") <= now]
            # One address that never answers must not hold up the others.
            await asyncio.gather(*(self._deliver(hook, secret) for hook in due))
            if not due:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_wait_s(hooks, now)):
                        await self._news.wait()

    async def _deliver(self, hook: Webhook, secret: str) -> None:
        try:
            status = await self._post(hook.url, hook.body.encode(), signed_headers(hook, secret, utc_now()))
            reason = None if 200 <= status < 300 else f"it answered {status}"
        except HearthError as error:
            status, reason = 0, redact(error.message)
        after = self._after(hook, reason, gone=status == _GONE)
        if reason is not None:
            log.info("webhook_not_taken", job=hook.job_id, attempts=after.attempts, reason=reason)
        with suppress(store.StoreFailed):  # it is delivered again, under the same id
            # A stop must not undo a delivery: what was taken is not sent again.
            await asyncio.shield(self._database.write(lambda connection: store.save_webhook(connection, after)))

    def _after(self, hook: Webhook, reason: str | None, *, gone: bool) -> Webhook:
        attempts = hook.attempts + 1
        if reason is None or gone or attempts > len(self._retry_after_s):
            return replace(hook, attempts=attempts, due_at=None, reason=reason)
        due = utc_now() + timedelta(seconds=self._retry_after_s[attempts - 1])
        return replace(hook, attempts=attempts, due_at=due.isoformat(), reason=reason)


def _wait_s(hooks: list[Webhook], now: datetime) -> float | None:
    due = [datetime.fromisoformat(hook.due_at or "") for hook in hooks]
    return max(0.0, (min(due) - now).total_seconds()) if due else None


def _key(secret: str) -> bytes:
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError:
            pass  # a text that only looks like it
    return secret.encode()
