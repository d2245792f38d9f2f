"""Send an answer that the client may have already: 304 when it has, packed when it can unpack (RFC 9110, 8.8 and 12.5)."""

from __future__ import annotations

from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response

from backend.presets import Encoded


def conditional(request: Request, answer: Encoded) -> Response:
    """Return *answer*, or 304 when ``If-None-Match`` names it."""
    headers = {"ETag": answer.etag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
    known = request.headers.get("if-none-match")
    if known is not None and names_tag(known, answer.etag):
        return Response(status_code=304, headers=headers)
    if answer.gzipped is not None and accepts_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        return Response(answer.gzipped, headers=headers, media_type="application/json")
    return Response(answer.body, headers=headers, media_type="application/json")


def names_tag(header: str, etag: str) -> bool:
    """Tell whether an ``If-None-Match`` header names *etag*, by weak comparison."""
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags


@lru_cache(maxsize=256)
def accepts_gzip(header: str) -> bool:
    """Tell whether an ``Accept-Encoding`` header allows gzip."""
    allowed: dict[str, bool] = {}
    for part in header.lower().split(","):
        name, _, parameters = part.partition(";")
        allowed[name.strip()] = parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return allowed.get("gzip", allowed.get("*", False))
