"""Why an object cannot be put into a bucket.

* BucketError                           ``concerns_all``: whether the next object would fare no better
  * BucketNotFound                      no such bucket at this host
  * BucketKeysRefused                   access key id or secret is wrong, expired or locked
  * BucketAccessDenied                  the keys are good, but may not write here
  * BucketRegionWrong                   the bucket is in another region than the settings say
  * BucketClockDiffers                  this machine's clock is wrong
  * BucketBusy, BucketFailed            the host's own trouble
  * BucketUnreachable, BucketUntrusted  no connection, or no good certificate
  * ObjectRefused                       this object, for what it is
"""

from __future__ import annotations

from typing import ClassVar

from backend.errors import HearthError


class BucketError(HearthError):
    """A bucket takes nothing, or not this."""

    code: ClassVar[str] = "bucket_error"
    status: ClassVar[int] = 502
    concerns_all: ClassVar[bool] = True


class BucketNotFound(BucketError):
    """The host has no such bucket."""

    code = "bucket_not_found"
    default_hint = "Make the bucket, or correct RESULTS_S3_URL and RESULTS_S3_ENDPOINT."


class BucketKeysRefused(BucketError):
    """The host does not accept the access key id or its secret."""

    code = "bucket_keys_refused"
    default_hint = "Correct RESULTS_S3_ACCESS_KEY_ID and RESULTS_S3_SECRET_ACCESS_KEY, then start Hearth again."


class BucketAccessDenied(BucketError):
    """The host knows the keys and does not let them write here."""

    code = "bucket_access_denied"
    default_hint = "Allow the key s3:PutObject and s3:AbortMultipartUpload below the prefix of RESULTS_S3_URL."


class BucketRegionWrong(BucketError):
    """The bucket is in another region."""

    code = "bucket_region_wrong"
    default_hint = "Set RESULTS_S3_REGION to the region of the bucket, then start Hearth again."


class BucketClockDiffers(BucketError):
    """The clocks of this machine and the host are too far apart for signatures."""

    code = "bucket_clock_differs"
    default_hint = "Set this machine's clock; the upload then goes on by itself."


class BucketBusy(BucketError):
    """The host wants to be asked less often."""

    code = "bucket_busy"
    status = 503
    default_hint = "Wait; it is tried again by itself."


class BucketFailed(BucketError):
    """The host answers with a failure of its own, or with something that makes no sense."""

    code = "bucket_failed"
    default_hint = "Look at the host's own log or status page; it is tried again by itself."


class BucketUnreachable(BucketError):
    """The host does not answer, or not in time."""

    code = "bucket_unreachable"
    default_hint = "Check RESULTS_S3_ENDPOINT, the network and the host; it is tried again by itself."


class BucketUntrusted(BucketError):
    """The host cannot prove that it is the one that was asked for."""

    code = "bucket_untrusted"
    default_hint = "Check the clock of this machine; for a private authority, set SSL_CERT_FILE to its certificate."


class ObjectRefused(BucketError):
    """The host takes other objects, but not this one."""

    code = "object_refused"
    concerns_all = False
    default_hint = "Look up the host's reason in its documentation; large files may be over a limit of the host."
