"""Put files into a bucket: signed, whole or in parts, with little memory whatever their size."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from backend.sources.client import USER_AGENT
from backend.sources.s3.address import BucketAddress, endpoint_of
from backend.sources.s3.refusals import refusal_of

if TYPE_CHECKING:
    from obstore.store import S3Credential, S3Store

PART_BYTES = 8 * 1024 * 1024
_PARTS_AT_ONCE = 2
_MAX_PARTS = 10_000  # Amazon S3 user guide, "Amazon S3 multipart upload limits"
_CONNECT_S = 10.0
_PART_S = 300.0  # for one request: 8 MiB at 28 kB/s
# Within one request; whoever wants more patience calls again.
_RETRIES = 2
_RETRY_S = 60.0


class Bucket:
    """A bucket to put files into.

    Args:
        url: ``s3://bucket`` or ``s3://bucket/prefix``.
        endpoint: http(s) address of the host; None is Amazon.
        path_style: Whether the bucket stands in the path of addresses; None: unless it is Amazon's.
        part_s: Seconds that one request may take, which carries at most :data:`PART_BYTES` of files up to 80 GB.
    """

    def __init__(
        self,
        url: str,
        *,
        access_key_id: str,
        secret_access_key: str,
        region: str,
        endpoint: str | None = None,
        path_style: bool | None = None,
        part_s: float = _PART_S,
    ) -> None:
        self._address = BucketAddress.parse(url)
        self._access_key_id = access_key_id
        self._secret_access_key = secret_access_key
        self._region = region
        self._path_style = endpoint is not None if path_style is None else path_style
        self._endpoint = endpoint_of(self._address.bucket, endpoint, region, path_style=self._path_style)
        self._part_s = part_s
        self._store: S3Store | None = None
        self._opening = asyncio.Lock()

    def url_of(self, name: str) -> str:
        """Return the ``s3://`` address that *name* has in the bucket."""
        return self._address.url_of(name)

    async def put(self, name: str, file: Path, content_type: str) -> None:
        """Store *file* as *name*, in place of what has that name; it appears whole or not at all.

        Raises:
            OSError: The file cannot be read.
            BucketError: The bucket does not take it.
        Cancelled: nothing appears; parts that were sent stay hidden in the bucket until its own rules remove them.
        """
        size_bytes = (await asyncio.to_thread(file.stat)).st_size
        store = await self._opened()
        import obstore
        from obstore.exceptions import BaseError

        try:
            await obstore.put_async(
                store,
                self._address.key_of(name),
                file,
                attributes={"Content-Type": content_type},
                chunk_size=max(PART_BYTES, -(-size_bytes // _MAX_PARTS)),
                max_concurrency=_PARTS_AT_ONCE,
            )
        except (BaseError, FileNotFoundError) as error:
            text = str(error)
            if isinstance(error, FileNotFoundError) and "Server returned" not in text:
                raise FileNotFoundError(2, "No such file or directory", str(file)) from None
            # None: the library's text holds the answer of the host, which repeats the key id.
            raise refusal_of(text, self._host, self._address.bucket) from None

    @property
    def _host(self) -> str:
        return urlsplit(self._endpoint).hostname or self._endpoint

    async def _opened(self) -> S3Store:
        async with self._opening:
            if self._store is None:
                self._store = await asyncio.to_thread(self._open)
            return self._store

    def _open(self) -> S3Store:
        """Load the library, which takes a moment and 10 MB; blocking."""
        import certifi
        from obstore.store import S3Store

        # Whatever else the environment says for Amazon's own tools must not lead results elsewhere.
        return S3Store(
            self._address.bucket,
            endpoint=self._endpoint,
            aws_endpoint_url_s3=self._endpoint,
            region=self._region,
            virtual_hosted_style_request=not self._path_style,
            skip_signature=False,
            credential_provider=self._credential,
            client_options={
                "allow_http": self._endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=_CONNECT_S),
                "timeout": timedelta(seconds=self._part_s),
                "root_certificate": Path(certifi.where()).read_bytes(),  # slim containers have none of their own
                "user_agent": USER_AGENT,
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_S)},
        )

    def _credential(self) -> S3Credential:
        return {
            "access_key_id": self._access_key_id,
            "secret_access_key": self._secret_access_key,
            "token": None,
            "expires_at": None,
        }
