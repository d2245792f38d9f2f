"""Buckets that speak S3: the one place that does. The library behind it is loaded with the first object."""

from backend.sources.s3.bucket import Bucket
from backend.sources.s3.errors import BucketError

__all__ = ["Bucket", "BucketError"]
