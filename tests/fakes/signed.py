"""The delivery network behind a model site: signed addresses with a short life on an origin of its own."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from tests.fakes.content import Content
from tests.fakes.exchange import Exchange, Reply, serve
from tests.fakes.faults import Fault, refused_authorization
from tests.fakes.model_host import ModelHost
from tests.secret_watch import watch


@dataclass
class _Blob:
    content: Content
    signatures: dict[str, float] = field(default_factory=dict[str, float])


class SignedStore:
    """Hand out signed addresses of contents and serve them: 400 to any Authorization, 403 to a signature that has expired.

    Args:
        lifetime_s: How long a signature is good for; :meth:`expire` ends all of them at once.
    """

    def __init__(self, *, tls: bool = False, lifetime_s: float = 3600) -> None:
        self.host = ModelHost(tls=tls)
        self.lifetime_s = lifetime_s
        self._blobs: dict[str, _Blob] = {}

    def put(self, path: str, content: Content, *faults: Fault) -> None:
        """Keep *content* at *path*; *faults* are those of the delivery network."""
        self._blobs[path] = _Blob(content)
        self.host.handle(path, self._serve, *faults)

    def sign(self, path: str, **parameters: str) -> str:
        """Return an address of *path* that works for a while; the signature must never appear in a log."""
        signature = watch("signature of a URL", secrets.token_hex(24))
        self._blobs[path].signatures[signature] = time.monotonic() + self.lifetime_s
        query = "&".join(f"{name.replace('_', '-')}={value}" for name, value in parameters.items())
        expires = f"X-Amz-Expires={max(1, round(self.lifetime_s))}&X-Amz-Signature={signature}"
        return self.host.url(f"{path}?{query + '&' if query else ''}{expires}")

    def expire(self) -> None:
        """End every signature that was handed out."""
        for blob in self._blobs.values():
            blob.signatures.clear()

    def close(self) -> None:
        """Stop serving."""
        self.host.close()

    def _serve(self, exchange: Exchange) -> Reply:
        if "authorization" in exchange.seen.headers:
            return refused_authorization()
        blob = self._blobs[exchange.seen.route]
        until = blob.signatures.get(exchange.seen.query.get("X-Amz-Signature", ""), 0)
        if until < time.monotonic():
            body = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
            return Reply.text(403, body, "application/xml")
        exchange.content = blob.content
        return serve(exchange.seen, blob.content)
