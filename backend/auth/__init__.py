"""Who may come in: the owner by password, programs by key, WebSockets by ticket; every door asks :meth:`Auth.identify`."""

from backend.auth.cookies import (
    DEVICE_COOKIE,
    SESSION_COOKIE,
    cleared_session_cookie,
    device_cookie,
    session_cookie,
)
from backend.auth.errors import (
    AuthError,
    CrossSiteRequest,
    KeyNotFound,
    NotASession,
    NotSignedIn,
    PasswordSetByEnvironment,
    PasswordTooWeak,
    ScopeMissing,
    SessionNotFound,
    TooManyAttempts,
    TooManyKeys,
    WrongPassword,
)
from backend.auth.identity import Credentials, Identity, Scope
from backend.auth.keys import NewKey
from backend.auth.origin import Sender, sender_of
from backend.auth.service import Auth, SignIn
from backend.auth.sessions import IssuedToken
from backend.auth.store import ApiKey, Session
from backend.auth.tickets import Ticket

__all__ = [
    "DEVICE_COOKIE",
    "SESSION_COOKIE",
    "ApiKey",
    "Auth",
    "AuthError",
    "Credentials",
    "CrossSiteRequest",
    "Identity",
    "IssuedToken",
    "KeyNotFound",
    "NewKey",
    "NotASession",
    "NotSignedIn",
    "PasswordSetByEnvironment",
    "PasswordTooWeak",
    "Scope",
    "ScopeMissing",
    "Sender",
    "Session",
    "SessionNotFound",
    "SignIn",
    "Ticket",
    "TooManyAttempts",
    "TooManyKeys",
    "WrongPassword",
    "cleared_session_cookie",
    "device_cookie",
    "sender_of",
    "session_cookie",
]
