"""Read the password out of whatever a login sends: JSON, a form, or JSON that curl calls a form."""

from __future__ import annotations

import json
from typing import cast
from urllib.parse import parse_qs

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from backend.api.errors import InvalidRequest

MAX_LOGIN_BYTES = 8 * 1024


async def read_password(request: Request) -> str:
    """Return the field ``password`` of the body.

    Raises:
        InvalidRequest: There is none, or it is empty.
        HTTPException: 413, the body is larger than 8 KiB; it was not read to its end.
    """
    body = await _limited_body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        password = await _of_multipart(request, body)
    elif kind == "application/x-www-form-urlencoded" and not body.lstrip().startswith(b"{"):
        password = _of_form(body)
    else:
        password = _of_json(body)
    if not password:
        raise InvalidRequest(
            "The request holds no password.", hint='Send JSON such as {"password": "…"}, or a form with that field.'
        )
    return password


async def _limited_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_LOGIN_BYTES:
            raise HTTPException(413, "A sign-in is not larger than 8 KiB")
    return bytes(body)


def _of_json(body: bytes) -> str:
    try:
        content = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise InvalidRequest("The request is not valid JSON.") from None
    password = cast("dict[str, object]", content).get("password") if isinstance(content, dict) else None
    return password if isinstance(password, str) else ""


def _of_form(body: bytes) -> str:
    try:
        fields = parse_qs(body.decode(), max_num_fields=20)
    except ValueError:  # not UTF-8, or more fields than any form of ours
        raise InvalidRequest("The form cannot be read.") from None
    return fields.get("password", [""])[-1]


async def _of_multipart(request: Request, body: bytes) -> str:
    async def replay() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    form = await Request(request.scope, replay).form(max_files=0, max_fields=20)
    value = form.get("password", "")
    return "" if isinstance(value, UploadFile) else value
