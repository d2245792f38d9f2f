"""Why a file cannot be had from where it is said to be.

* SourceError                        ``waits_for`` (host), ``retryable``, ``retry_after_s``
  * UnsupportedAddress               not http(s), or a page that names no file
  * TokenInAddress                   a secret was typed into the address
  * ForbiddenAddress                 addresses that only machines of a cloud may ask
  * GatedNoToken                     the host wants to know who asks
  * GatedLicenceNotAccepted          the account has not accepted the licence; the hint names the page
  * TokenInvalid, TokenLacksScope    the token is wrong, or may too little
  * AccessDenied                     known, and still refused
  * SignedAddressRefused             the signature in an address is not, or no longer, good
  * RemoteFileNotFound, FileGone     nothing is there, or not any more
  * WebPageInsteadOfFile             a page for people
  * RateLimited, HostFailed, HostUnreachable, HostSilent     worth another try
  * HostUntrusted                    its certificate is not good
  * FetchFailed                      a small document, such as a catalogue
* TokenError                         keeping tokens
  * InvalidTokenHost, InvalidToken, TokenNotFound, TokenLocked, TokenCheckUnsupported
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from backend.errors import JSON, HearthError


class SourceError(HearthError):
    """A source refuses, fails or is not understood.

    Args:
        waits_for: Host whose token or accepted licence would help; a job with this error waits instead of failing.
        retry_after_s: Seconds after which the host wants to be asked again.
    """

    code: ClassVar[str] = "source_error"
    status: ClassVar[int] = 502
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        details: Mapping[str, JSON] | None = None,
        waits_for: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        facts: dict[str, JSON] = dict(details or {})
        if retry_after_s is not None:
            facts["retry_after_s"] = retry_after_s
        super().__init__(message, hint=hint, details=facts)
        self.waits_for = waits_for
        self.retry_after_s = retry_after_s


class UnsupportedAddress(SourceError):
    """The address is not one that a file can be fetched from."""

    code = "unsupported_address"
    status = 422
    default_hint = "Give the address of one file, beginning with https:// or http://."


class TokenInAddress(SourceError):
    """A token or password was typed into the address; it was neither used nor kept."""

    code = "token_in_address"
    status = 422
    default_hint = "Remove it from the address and store it under Settings → Tokens, or in the environment."


class ForbiddenAddress(SourceError):
    """The address belongs to a cloud's metadata service, which hands out credentials of the machine."""

    code = "forbidden_address"
    status = 422
    default_hint = "Give the address of a host that serves files."


class GatedNoToken(SourceError):
    """The host gives this file only to people it knows, and there is no token for it."""

    code = "gated_no_token"
    status = 409
    default_hint = "Store a token for this host under Settings → Tokens; the download then continues by itself."


class GatedLicenceNotAccepted(SourceError):
    """The token is known, but its account has not accepted the terms of this file."""

    code = "gated_licence_not_accepted"
    status = 409
    default_hint = "Accept the licence on the model's page, then try again."


class TokenInvalid(SourceError):
    """The host does not know the token."""

    code = "token_invalid"
    status = 409
    default_hint = "Make a new token at the host and store it under Settings → Tokens."


class TokenLacksScope(SourceError):
    """The host knows the token, but the token may not read this file."""

    code = "token_lacks_scope"
    status = 409
    default_hint = "Give the token the right to read gated and private repositories, or make one that has it."


class SignedAddressRefused(SourceError):
    """A signed address is not accepted, mostly because its time is over."""

    code = "signed_address_refused"
    status = 410
    default_hint = "Signed addresses live for hours at most: copy a fresh one from the host, and retry."


class AccessDenied(SourceError):
    """The host refuses the file."""

    code = "access_denied"
    status = 403
    default_hint = "Ask the owner of the file for access."


class RemoteFileNotFound(SourceError):
    """The host has no such file."""

    code = "file_not_found"
    status = 404
    default_hint = "Check the address; the file may have been renamed or removed."


class FileGone(SourceError):
    """The host had the file and has taken it away for good."""

    code = "file_gone"
    status = 410
    default_hint = "Look for another place that offers the file."


class WebPageInsteadOfFile(SourceError):
    """The address shows a web page, not a file."""

    code = "web_page_instead_of_file"
    status = 422
    default_hint = "Copy the address of the page's download button instead of the page's own."


class RateLimited(SourceError):
    """The host has had too many requests from here."""

    code = "rate_limited"
    status = 503
    retryable = True
    default_hint = "Wait; the host is asked again by itself. A token often raises the limit."


class HostFailed(SourceError):
    """The host answers with a failure of its own, or with something that makes no sense."""

    code = "host_failed"
    status = 502
    retryable = True
    default_hint = "Try again later; the trouble is at the host."


class HostUnreachable(SourceError):
    """The host does not answer."""

    code = "host_unreachable"
    status = 502
    retryable = True
    default_hint = "Check the address, the network, and the host's status page."


class HostSilent(SourceError):
    """The host takes the connection and then says nothing."""

    code = "host_silent"
    status = 504
    retryable = True
    default_hint = "Try again later; the trouble is at the host or on the way to it."


class HostUntrusted(SourceError):
    """The host cannot prove that it is the one that was asked for."""

    code = "host_untrusted"
    status = 502
    default_hint = "Check the clock of this machine; for a private authority, set SSL_CERT_FILE to its certificate."


class FetchFailed(SourceError):
    """A document could not be fetched."""

    code = "fetch_failed"
    status = 502
    default_hint = "Check the address and the network, then try again."


class TokenError(HearthError):
    """Something about keeping tokens."""

    code = "token_error"
    status = 400


class InvalidTokenHost(TokenError):
    """The name is not a host."""

    code = "invalid_token_host"
    status = 422
    default_hint = "Give a host such as huggingface.co, or nas.local:8080."


class InvalidToken(TokenError):
    """The text cannot be a token: it would not survive in an HTTP header."""

    code = "invalid_token"
    status = 422
    default_hint = "Copy the token again, without spaces or line breaks."


class TokenNotFound(TokenError):
    """No token is kept for this host."""

    code = "token_not_found"
    status = 404
    default_hint = "Store one with PUT /api/tokens/{host}."


class TokenLocked(TokenError):
    """The environment holds this host's token, so the dashboard cannot change it."""

    code = "token_locked"
    status = 409
    default_hint = "Remove the variable from the environment and restart to change it here."


class TokenCheckUnsupported(TokenError):
    """This host has no way to ask whose token it is."""

    code = "token_check_unsupported"
    status = 422
    default_hint = "Start a download from the host; its answer tells whether the token is good."
