"""Where files come from: plain HTTP(S), Hugging Face, Civitai, GitHub releases; tokens; and the buckets that
results are copied to.
"""

from backend.sources.addresses import checked_url, is_forbidden_address
from backend.sources.base import FileRef, RemoteFile
from backend.sources.errors import SourceError, TokenError
from backend.sources.fetch import post_bytes
from backend.sources.registry import Sources
from backend.sources.s3 import Bucket, BucketError
from backend.sources.tokens import TokenDescription, Tokens

__all__ = [
    "Bucket",
    "BucketError",
    "FileRef",
    "RemoteFile",
    "SourceError",
    "Sources",
    "TokenDescription",
    "TokenError",
    "Tokens",
    "checked_url",
    "is_forbidden_address",
    "post_bytes",
]
