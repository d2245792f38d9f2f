"""POST /upload/image and /upload/mask: what clients send is kept by Hearth, and brought to the ComfyUI that needs it.

So a file is there on every backend and after every restart, and its name - the hash of its content - is known only to
those who have it. The answer holds the whole name, for there are clients that read nothing else of it.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from backend.comfyui.shapes import mapping
from backend.compat.comfyui.errors import UnreadableBody
from backend.compat.comfyui.memory import Memory
from backend.compat.comfyui.views import Wanted, read_file
from backend.compat.identity import services_of

if TYPE_CHECKING:
    from PIL import Image

_MAX_FIELDS = 16
_MAX_PIXELS = 64 * 1024**2


async def post_image(request: Request) -> Response:
    """Keep a file of any kind."""
    async with _form(request) as (file, _), Memory.of(request).turn:
        return await _kept(request, await file.read(), PurePosixPath(file.filename or "").suffix.removeprefix("."))


async def post_mask(request: Request) -> Response:
    """Keep a picture with the alpha channel of another one, as ComfyUI's mask editor wants it."""
    async with _form(request) as (file, fields), Memory.of(request).turn:
        wanted = _referred(fields.get("original_ref", ""))
        original, mask = await read_file(request, wanted), await file.read()
        try:
            joined = await asyncio.to_thread(_masked, original, mask)
        except (OSError, ValueError, SyntaxError) as error:
            raise UnreadableBody(f"The mask cannot be laid over the picture: {error}.") from None
        return await _kept(request, joined, "png")


def _referred(reference: str) -> Wanted:
    try:
        named = mapping(json.loads(reference))
    except (ValueError, RecursionError):
        raise UnreadableBody("original_ref is no JSON.") from None
    return Wanted.of({name: str(value) for name, value in named.items()})


@asynccontextmanager
async def _form(request: Request) -> AsyncGenerator[tuple[UploadFile, dict[str, str]]]:
    """Open the file and the other fields; large files wait on disk until they are complete."""
    try:
        form = await request.form(max_files=_MAX_FIELDS, max_fields=_MAX_FIELDS)
    except HTTPException as error:
        raise UnreadableBody(f"The form cannot be read: {error.detail}.") from None
    try:
        file = form.get("image")
        if not isinstance(file, UploadFile) or not file.filename:
            raise UnreadableBody("The form holds no file `image`.")
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        yield file, fields
    finally:
        await form.close()


async def _kept(request: Request, content: bytes, ending: str) -> Response:
    name = await services_of(request).uploads.keep(content, ending)
    return JSONResponse({"name": name, "subfolder": "", "type": "input"})


def _masked(original: bytes, mask: bytes) -> bytes:
    from PIL.PngImagePlugin import PngInfo

    with _opened(original) as picture, _opened(mask) as over:
        about = PngInfo()
        for key, value in picture.info.items():
            if isinstance(key, str) and isinstance(value, str):
                about.add_text(key, value)
        joined = picture.convert("RGBA")
        joined.putalpha(over.convert("RGBA").getchannel("A"))
        target = io.BytesIO()
        joined.save(target, "PNG", compress_level=4, pnginfo=about)
        return target.getvalue()


def _opened(content: bytes) -> Image.Image:
    from PIL import Image

    picture = Image.open(io.BytesIO(content))
    if picture.width * picture.height > _MAX_PIXELS:
        raise ValueError(f"it has more than {_MAX_PIXELS:,} pixels")
    return picture
