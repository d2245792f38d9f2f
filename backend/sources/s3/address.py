"""Which bucket, at which host, and how it is addressed there."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """A bucket and where in it things go; ``prefix`` has no slash at its ends and may be empty."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, url: str) -> BucketAddress:
        """Read ``s3://bucket`` or ``s3://bucket/prefix``; what may stand in it is the business of the settings."""
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        return cls(bucket, prefix.strip("/"))

    def key_of(self, name: str) -> str:
        """Return the key of the object that is called *name* below the prefix."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def url_of(self, name: str) -> str:
        """Return the ``s3://`` address of that object."""
        return f"s3://{self.bucket}/{self.key_of(name)}"


def endpoint_of(bucket: str, endpoint: str | None, region: str, *, path_style: bool) -> str:
    """Return the address that requests begin with.

    Args:
        endpoint: Of the host; None is Amazon's in *region*.
        path_style: The bucket stands in the path, and not before the host's name.
    """
    parts = urlsplit(endpoint or f"https://s3.{region}.amazonaws.com")
    host = parts.netloc if path_style else f"{bucket}.{parts.netloc}"
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
