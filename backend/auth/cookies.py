"""The two cookies, written as Set-Cookie values so that every door sets the same ones.

``hearth_session`` carries the sign-in. ``hearth_device`` says only "the right password was once given in this browser":
it opens nothing, but its browser is not held up when somebody else guesses passwords.
"""

from __future__ import annotations

SESSION_COOKIE = "hearth_session"
DEVICE_COOKIE = "hearth_device"
COOKIE_LIFE_S = 400 * 24 * 3600  # the longest that browsers keep a cookie (RFC 6265bis, section 5.5)


def session_cookie(token: str, *, secure: bool) -> str:
    """Return the Set-Cookie value that keeps *token*; how long it is valid is decided by the server alone."""
    return _cookie(SESSION_COOKIE, token, COOKIE_LIFE_S, secure=secure)


def device_cookie(token: str, *, secure: bool) -> str:
    """Return the Set-Cookie value that lets this browser be recognised."""
    return _cookie(DEVICE_COOKIE, token, COOKIE_LIFE_S, secure=secure)


def cleared_session_cookie(*, secure: bool) -> str:
    """Return the Set-Cookie value that makes the browser forget the sign-in."""
    return _cookie(SESSION_COOKIE, "", 0, secure=secure)


def _cookie(name: str, value: str, life_s: int, *, secure: bool) -> str:
    # Lax, not Strict: a link in a mail or chat must open the page signed in. Writes are checked by their origin.
    return f"{name}={value}; HttpOnly; Max-Age={life_s}; Path=/; SameSite=Lax{'; Secure' if secure else ''}"
