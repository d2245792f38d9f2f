"""A host of buckets on loopback that speaks S3 and believes no signature that it has not checked."""

from tests.fakes.s3.host import BucketHost, Seen, Stored
from tests.fakes.s3.signature import Asked, Refusal, refusal_of, signature_of

__all__ = ["Asked", "BucketHost", "Refusal", "Seen", "Stored", "refusal_of", "signature_of"]
