"""Carry workflows in and out: JSON, a file as it is, or a form with a file; no more of it than the frame lets through."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from backend.api.errors import InvalidRequest

_MAX_FIELDS = 8
_UNNAMED = "Workflow.json"

CARRIERS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "description": "A workflow in ComfyUI's editor or API format"}
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "JSON, or what ComfyUI made"},
                        "name": {"type": "string"},
                        "folder": {"type": "string"},
                    },
                    "required": ["file"],
                }
            },
        },
    }
}


@dataclass(frozen=True, slots=True)
class Carried:
    """A file that came in, its name, and what the form says about it."""

    file: BinaryIO
    filename: str
    name: str | None = None
    folder: str | None = None


@asynccontextmanager
async def carried_by(request: Request) -> AsyncGenerator[Carried]:
    """Read the body, and close its file at the end.

    Raises:
        InvalidRequest: It is a form without a file.
        HTTPException: 413, it is larger than the frame lets through; 400, the form is broken.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        yield Carried(BytesIO(await body_of(request)), _UNNAMED)
        return
    async with request.form(max_files=1, max_fields=_MAX_FIELDS) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidRequest("The form holds no file.", hint="Send the workflow as the field 'file'.")
        yield Carried(file.file, file.filename or _UNNAMED, _text(form, "name"), _text(form, "folder"))


async def body_of(request: Request) -> bytes:
    """Read the whole body."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
    return bytes(body)


def encoded(document: Mapping[str, Any]) -> bytes:
    """Write a document as JSON; blocking for large ones."""
    return json.dumps(document, separators=(",", ":")).encode()  # in ASCII: half a surrogate pair has no UTF-8


def _text(form: FormData, name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) and value.strip() else None
