"""Check AWS Signature Version 4 as a server does: compute it again from what arrived.

Source: Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=([^/,]+)/(\d{{8}})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([^, ]+), ?Signature=([0-9a-f]{64})"
)
_CLOCKS_DIFFER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came over the wire: *target* is still encoded, header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body_sha256: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """What S3 answers: a status and the ``Code`` of its error document."""

    status: int
    code: str


def refusal_of(asked: Asked, *, access_key_id: str, secret: str, region: str, now: datetime) -> Refusal | None:
    """Return why a request is not believed, in the order in which S3 looks; None: it is."""
    match = _AUTHORIZATION.fullmatch(asked.headers.get("authorization", ""))
    if match is None:
        return Refusal(403, "AccessDenied")
    key, _, signed_region, service, names, signature = match.groups()
    if key != access_key_id:
        return Refusal(403, "InvalidAccessKeyId")
    if (signed_region, service) != (region, "s3"):
        return Refusal(400, "AuthorizationHeaderMalformed")
    if abs(_moment(asked) - now) > _CLOCKS_DIFFER:
        return Refusal(403, "RequestTimeTooSkewed")
    signed = names.split(";")
    needed = {"host", *(name for name in asked.headers if name.startswith("x-amz-"))}
    if not needed <= set(signed) or not hmac.compare_digest(signature, signature_of(asked, signed, secret, region)):
        return Refusal(403, "SignatureDoesNotMatch")
    if asked.headers["x-amz-content-sha256"] != asked.body_sha256:
        return Refusal(400, "XAmzContentSHA256Mismatch")
    return None


def signature_of(asked: Asked, signed: list[str], secret: str, region: str) -> str:
    """Return the signature that a request must carry."""
    stamp = asked.headers["x-amz-date"]
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    canonical = hashlib.sha256(_canonical(asked, signed).encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return _hmac(key, f"{ALGORITHM}\n{stamp}\n{scope}\n{canonical}").hex()


def _canonical(asked: Asked, signed: list[str]) -> str:
    path, _, query = asked.target.partition("?")
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&") if pair)
    return "\n".join(
        (
            asked.method,
            quote(unquote(path), safe="/-_.~"),
            "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs),
            *(f"{name}:{' '.join(asked.headers[name].split())}" for name in signed),
            "",
            ";".join(signed),
            asked.headers["x-amz-content-sha256"],
        )
    )


def _encoded(text: str) -> str:
    return quote(unquote(text), safe="-_.~")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _moment(asked: Asked) -> datetime:
    return datetime.strptime(asked.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
