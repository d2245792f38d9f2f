"""What an answer that brought no part of the file means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pycurl

from backend.downloads.errors import BadAnswer, ConnectionFailed, ConnectionLost, InsecureRedirect, Stalled, TlsFailed
from backend.downloads.transfer.hosts import host_of
from backend.downloads.transfer.retry import Setback, StartOver, retry_after_s
from backend.kit.redact import redact

if TYPE_CHECKING:
    from backend.downloads.transfer.request import Answer
    from backend.downloads.transfer.shared import Explain

_PASSING = frozenset({408, 425, 429})
_CROWDED = frozenset({429, 503})
_EXPIRED = frozenset({400, 401, 403, 404, 410})
_NO_CONNECTION = frozenset({pycurl.E_COULDNT_CONNECT, pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY})
_NO_TRUST = frozenset({pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT_BADFILE, pycurl.E_SSL_ISSUER_ERROR})


def transport_failure(answer: Answer) -> Setback:
    """Name what happened to a connection.

    Raises:
        TlsFailed: The host is not who it should be: trying again would not help.
        InsecureRedirect: The name led to an address that is not asked.
    """
    host, reason = host_of(answer.url), redact(answer.reason)
    if answer.stalled:
        return Setback(Stalled(f"{host} sends nothing any more."))
    if answer.code in _NO_TRUST:
        raise TlsFailed(f"The certificate of {host} cannot be trusted: {reason}.")
    if answer.forbidden:
        raise InsecureRedirect(f"{host} leads to an address that only machines of a cloud may ask.")
    if answer.code == pycurl.E_SSL_CONNECT_ERROR:
        return Setback(TlsFailed(f"No encrypted connection to {host} came about: {reason}."))
    if answer.code in _NO_CONNECTION or (answer.code == pycurl.E_OPERATION_TIMEDOUT and not answer.status):
        return Setback(ConnectionFailed(f"{host} cannot be reached: {reason}."))
    return Setback(ConnectionLost(f"The connection to {host} broke off{f': {reason}' if reason else ''}."))


def refusal(answer: Answer, explain: Explain, *, far: bool, size_bytes: int | None) -> Exception:
    """Return what an answer means that is neither a part of the file nor a redirect.

    Args:
        far: It came from another origin than the one the address names: a delivery network with signed addresses.
        size_bytes: Length of the file as known so far.
    """
    status = answer.status
    if status in (200, 206) or 300 <= status < 400 or status < 200:
        return Setback(BadAnswer(f"{host_of(answer.url)} sent nothing where the file should be (status {status})."))
    if status == 416:
        return _range_refused(answer, size_bytes)
    error = explain(answer.url, status, answer.headers, answer.body)
    if far and status in _EXPIRED:
        return Setback(error, relink=True)
    if status in _PASSING or status >= 500:
        return Setback(error, wait_s=retry_after_s(answer.headers), crowded=status in _CROWDED)
    return error


def _range_refused(answer: Answer, size_bytes: int | None) -> StartOver:
    """Take the whole file when the host has no ranges for it, whatever its reason is.

    A file that really shrank shows its new length then.
    """
    match = re.match(r"bytes \*/(\d+)$", answer.headers.get("content-range", ""))
    named = int(match[1]) if match else None
    about = f"says that the file has {named} bytes" if named not in (None, size_bytes) else "refuses every range"
    return StartOver(BadAnswer(f"{host_of(answer.url)} {about}."), plain=True)
