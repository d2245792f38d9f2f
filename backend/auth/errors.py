"""What can go wrong at the door."""

from __future__ import annotations

from backend.errors import HearthError


class AuthError(HearthError):
    """Base of this branch: who are you, and may you do this?"""

    code = "access_refused"
    status = 401


class NotSignedIn(AuthError):
    """The request carries no valid sign-in, API key or ticket."""

    code = "not_signed_in"
    status = 401
    default_hint = "Sign in with POST /api/auth/login, or send an API key as 'Authorization: Bearer …'."


class WrongPassword(AuthError):
    """The password does not match."""

    code = "wrong_password"
    status = 401
    default_hint = "Try again; the password was shown in the log at first start or is set by ACCESS_PASSWORD."


class TooManyAttempts(AuthError):
    """Passwords were guessed too often; waiting helps, and nobody who is signed in already is affected."""

    code = "too_many_attempts"
    status = 429
    default_hint = "Wait as long as Retry-After says, then try again."


class ScopeMissing(AuthError):
    """The API key is valid but may not do this."""

    code = "scope_missing"
    status = 403
    default_hint = "Use an API key with a wider scope, or sign in with the password."


class CrossSiteRequest(AuthError):
    """A browser sent the cookie from a page that is not Hearth's own; nothing was changed."""

    code = "cross_site_request"
    status = 403
    default_hint = "Open Hearth at its own address; a proxy must pass on Host with the port. Scripts send 'Authorization: Bearer …'."


class NotASession(AuthError):
    """Only a sign-in can be refreshed or ended; an API key is revoked instead."""

    code = "not_a_session"
    status = 403
    default_hint = "Sign in with the password, or revoke the key with DELETE /api/auth/keys/{id}."


class PasswordSetByEnvironment(AuthError):
    """ACCESS_PASSWORD holds the password, so it cannot be changed here."""

    code = "password_set_by_environment"
    status = 409
    default_hint = "Change ACCESS_PASSWORD and restart, or remove it to choose the password here."


class PasswordTooWeak(AuthError):
    """The new password is too short or among the first that anybody would guess; the old one stays."""

    code = "password_too_weak"
    status = 422
    default_hint = "Use 8 characters or more, best a few random words."


class SessionNotFound(AuthError):
    """No sign-in has this id, or it has ended."""

    code = "session_not_found"
    status = 404
    default_hint = "GET /api/auth/sessions lists the sign-ins in force."


class KeyNotFound(AuthError):
    """No API key has this id."""

    code = "key_not_found"
    status = 404
    default_hint = "GET /api/auth/keys lists the keys."


class TooManyKeys(AuthError):
    """The list of API keys is full."""

    code = "too_many_keys"
    status = 409
    default_hint = "Revoke keys that are no longer used."
