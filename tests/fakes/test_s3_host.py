"""The laws of the host of buckets: other tests believe that it believes no signature that is wrong."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import httpx2
import pytest

from tests.fakes.s3 import Asked, BucketHost, refusal_of

KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # of Amazon's documentation
THAT_DAY = datetime(2013, 5, 24, tzinfo=UTC)
EMPTY = hashlib.sha256(b"").hexdigest()
WELCOME = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()


def signed(method: str, target: str, names: str, signature: str, sha256: str = EMPTY, **more: str) -> Asked:
    headers = {
        "host": "examplebucket.s3.amazonaws.com",
        "x-amz-content-sha256": sha256,
        "x-amz-date": "20130524T000000Z",
        "authorization": f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={names},Signature={signature}",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return Asked(method, target, headers, sha256)


PLAIN = "host;x-amz-content-sha256;x-amz-date"
# Amazon S3 API Reference, "Signature Calculations for the Authorization Header", its four examples.
EXAMPLES = [
    signed(
        "GET", "/test.txt", "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", range="bytes=0-9",
    ),
    signed(
        "PUT", "/test%24file.text", "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", WELCOME,
        date="Fri, 24 May 2013 00:00:00 GMT", x_amz_storage_class="REDUCED_REDUNDANCY",
    ),
    signed("GET", "/?lifecycle", PLAIN, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    signed("GET", "/?max-keys=2&prefix=J", PLAIN, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
]  # fmt: skip


@pytest.mark.parametrize("asked", EXAMPLES, ids=lambda asked: asked.target)
def test_signatures_of_the_documentation_are_believed(asked: Asked) -> None:
    """And not one of them with another secret, region, day, body or path."""

    def told(asked: Asked, secret: str = SECRET, region: str = "us-east-1", now: datetime = THAT_DAY) -> str | None:
        refusal = refusal_of(asked, access_key_id=KEY_ID, secret=secret, region=region, now=now)
        return None if refusal is None else refusal.code

    assert told(asked) is None
    assert told(asked, secret=SECRET[::-1]) == "SignatureDoesNotMatch"
    assert told(asked, region="eu-west-1") == "AuthorizationHeaderMalformed"
    assert told(asked, now=datetime(2013, 5, 25, tzinfo=UTC)) == "RequestTimeTooSkewed"
    other_body = Asked(asked.method, asked.target, asked.headers, hashlib.sha256(b"x").hexdigest())
    assert told(other_body) == "XAmzContentSHA256Mismatch"
    assert (
        told(Asked(asked.method, f"/other{asked.target}", asked.headers, asked.body_sha256)) == "SignatureDoesNotMatch"
    )


def test_nobody_writes_without_a_signature(bucket_host: BucketHost) -> None:
    """Refused, and nothing is stored."""
    answer = httpx2.put(f"{bucket_host.url}/pictures/a.png", content=b"x")

    assert answer.status_code == 403
    assert bucket_host.objects == {}
