"""Name the refusals that mean the same on every host (RFC 9110 §15.5, §15.6)."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

from backend.errors import JSON
from backend.kit.clock import utc_now
from backend.sources.addresses import host_key
from backend.sources.client import Answer
from backend.sources.errors import (
    AccessDenied,
    FileGone,
    GatedNoToken,
    HostFailed,
    RateLimited,
    RemoteFileNotFound,
    SourceError,
    TokenInvalid,
    WebPageInsteadOfFile,
)

_MAX_WAIT_S = 24 * 3600.0
_TRANSIENT = frozenset({408, 425})
_RATE_LIMIT_RESET = re.compile(r"\bt=(\d+)")


def refusal(answer: Answer, token_host: str, *, has_token: bool) -> SourceError:
    """Say what *answer* means when its host has no words of its own for it.

    Args:
        token_host: Name under which a token that would help is kept.
        has_token: A token was sent along.
    """
    host, status = host_key(answer.url), answer.status
    details: dict[str, JSON] = {"host": host, "status": status}
    if status in (401, 407):
        if has_token:
            return TokenInvalid(f"{host} does not accept the token.", details=details, waits_for=token_host)
        return GatedNoToken(f"{host} wants to know who asks.", details=details, waits_for=token_host)
    if status == 429:
        sentence = f"{host} has had too many requests from here."
        return RateLimited(sentence, details=details, retry_after_s=retry_after_s(answer))
    if status >= 500 or status in _TRANSIENT:
        sentence = f"{host} fails with status {status}."
        return HostFailed(sentence, details=details, retry_after_s=retry_after_s(answer))
    return _for_good(answer, host, details)


def _for_good(answer: Answer, host: str, details: dict[str, JSON]) -> SourceError:
    if answer.status == 404:
        return RemoteFileNotFound(f"{host} has no such file.", details=details)
    if answer.status in (410, 451):
        return FileGone(f"{host} has taken the file away.", details=details)
    if answer.status >= 400:
        return AccessDenied(f"{host} refuses the file with status {answer.status}.", details=details)
    if answer.content_type in ("text/html", "application/xhtml+xml"):
        return WebPageInsteadOfFile(f"{host} shows a web page instead of a file.", details=details)
    return HostFailed(f"{host} answers with status {answer.status}, which makes no sense here.", details=details)


def retry_after_s(answer: Answer) -> float | None:
    """Return the seconds that the host asks to wait, at most a day, or None when it does not say.

    Source: RFC 9110 §10.2.3; the draft header ``RateLimit: "name";r=0;t=55`` as Hugging Face sends it.
    """
    value = answer.headers.get("retry-after", "").strip()
    limit = _RATE_LIMIT_RESET.search(answer.headers.get("ratelimit", ""))
    if value.isdigit():
        return min(float(value), _MAX_WAIT_S)
    if value:
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return min(max(0.0, (until - utc_now()).total_seconds()), _MAX_WAIT_S)
    return None if limit is None else min(float(limit[1]), _MAX_WAIT_S)
