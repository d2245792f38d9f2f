"""Name what an S3 host refuses, from the text in which the library tells it.

The host's own words stay outside: they repeat key ids and what was to be signed. Codes are those of the Amazon S3 API
Reference, "Error responses", which other hosts share.
"""

from __future__ import annotations

import re

from backend.errors import JSON
from backend.sources.s3.errors import (
    BucketAccessDenied,
    BucketBusy,
    BucketClockDiffers,
    BucketError,
    BucketFailed,
    BucketKeysRefused,
    BucketNotFound,
    BucketRegionWrong,
    BucketUnreachable,
    BucketUntrusted,
    ObjectRefused,
)

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z.]{1,64})</Code>")
_TROUBLE = re.compile(r"kind: (Timeout|Connect|Interrupted|Request)\b")

_BY_CODE: dict[str, tuple[type[BucketError], str]] = {
    **dict.fromkeys(
        ("InvalidAccessKeyId", "InvalidToken", "ExpiredToken", "InvalidSecurity", "AccountProblem"),
        (BucketKeysRefused, "{host} does not accept the access key id."),
    ),
    "SignatureDoesNotMatch": (BucketKeysRefused, "{host} does not accept the secret access key."),
    "RequestTimeTooSkewed": (BucketClockDiffers, "The clocks of {host} and this machine differ too much."),
    **dict.fromkeys(
        ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"),
        (BucketRegionWrong, "The bucket {bucket} is in another region."),
    ),
    "NoSuchBucket": (BucketNotFound, "{host} has no bucket {bucket}."),
    "SlowDown": (BucketBusy, "{host} wants to be asked less often."),
    # The host gave up waiting for the rest of a slow request; the multipart upload is gone, and begins anew.
    **dict.fromkeys(("RequestTimeout", "NoSuchUpload", "OperationAborted"), (BucketFailed, "{host} lost an upload.")),
}
_BY_STATUS: dict[int, tuple[type[BucketError], str]] = {
    401: (BucketKeysRefused, "{host} does not accept the keys."),
    403: (BucketAccessDenied, "{host} does not let these keys write to the bucket {bucket}."),
    404: (BucketNotFound, "{host} has no bucket {bucket}."),
    429: (BucketBusy, "{host} wants to be asked less often."),
    503: (BucketBusy, "{host} has no time at the moment."),
}


def refusal_of(text: str, host: str, bucket: str) -> BucketError:
    """Say what went wrong at *host*; *text* is an error of the library."""
    status, code, trouble = (_first(pattern, text) for pattern in (_STATUS, _CODE, _TROUBLE))
    details: dict[str, JSON] = {"host": host, "bucket": bucket}
    if status is not None:
        details["status"] = int(status)
    if code is not None:
        details["reason"] = code
    kind, sentence = _meaning(text, status, code, trouble)
    return kind(sentence.format(host=host, bucket=bucket, status=status), details=details)


def _meaning(text: str, status: str | None, code: str | None, trouble: str | None) -> tuple[type[BucketError], str]:
    if code is not None and code in _BY_CODE:
        return _BY_CODE[code]
    if status is None:
        return _without_answer(text, trouble)
    if int(status) in _BY_STATUS:
        return _BY_STATUS[int(status)]
    if 400 <= int(status) < 500:
        return ObjectRefused, "{host} refuses this object with status {status}."
    return BucketFailed, "{host} fails with status {status}."


def _without_answer(text: str, trouble: str | None) -> tuple[type[BucketError], str]:
    if "BareRedirect" in text:  # what Amazon answers for a bucket of another region
        return BucketRegionWrong, "The bucket {bucket} is in another region."
    if "InvalidCertificate" in text:
        return BucketUntrusted, "The certificate of {host} cannot be trusted."
    if trouble == "Timeout":
        return BucketUnreachable, "{host} does not answer in time."
    if trouble is not None:
        return BucketUnreachable, "{host} cannot be reached."
    return BucketFailed, "{host} answers with something that makes no sense."


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return None if found is None else found[1]
