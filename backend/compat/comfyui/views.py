"""GET /view: results of the caller's own jobs, files that were sent to Hearth, and what lies in ComfyUI's input folder."""

from __future__ import annotations

import asyncio
import mimetypes
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from backend.auth import Scope
from backend.compat.comfyui.address import view_target
from backend.compat.comfyui.backends import first_healthy
from backend.compat.comfyui.errors import NoSuchRoute
from backend.compat.comfyui.memory import numbered_files
from backend.compat.comfyui.passing import SANDBOX, Streamed, pass_file
from backend.compat.comfyui.records import Records
from backend.compat.identity import owner_of, services_of
from backend.errors import HearthError
from backend.generation import Backend, GenerationNotFound, Job
from backend.generation.errors import UploadMissing
from backend.generation.results import ResultError
from backend.generation.uploads import FOLDER

# What browsers show and cannot be a page; everything else is only to be saved.
_SHOWN = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/avif", "image/bmp", "video/", "audio/")
_CHANGES = ("preview", "channel")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file as clients name it."""

    filename: str
    subfolder: str
    folder: str

    @classmethod
    def of(cls, query: dict[str, str]) -> Wanted:
        """Read a query, or a reference in a form.

        Raises:
            NoSuchRoute: It names no file.
        """
        filename, subfolder = query.get("filename", ""), query.get("subfolder", "").strip("/")
        if not filename or ".." in f"{subfolder}/{filename}".split("/") or "\\" in filename or "\0" in filename:
            raise NoSuchRoute("The address names no file.")
        # "folder/name" and ("folder", "name") are the same file.
        below, _, name = f"{subfolder}/{filename}".strip("/").rpartition("/")
        return cls(name, below, query.get("type", "output"))


async def get_view(request: Request) -> Response:
    """Send a file."""
    wanted = Wanted.of(dict(request.query_params))
    if wanted.folder == "input":
        return await _input(request, wanted)
    job_id, _, below = wanted.subfolder.partition("/")
    records = Records(request, owner_of(request))
    try:
        job = await records.job(job_id)
    except GenerationNotFound:
        return await _unmarked(request, wanted)
    return await _of_job(request, records, job, Wanted(wanted.filename, below, wanted.folder))


async def read_file(request: Request, wanted: Wanted) -> bytes:
    """Return the content of a file that the caller may see.

    Raises:
        HearthError: There is none.
    """
    if wanted.folder == "input" and wanted.subfolder == FOLDER:
        return await services_of(request).uploads.read(f"{FOLDER}/{wanted.filename}")
    query = view_target(wanted.filename, wanted.subfolder, wanted.folder, {}).partition("?")[2]
    told = {"method": "GET", "headers": list[tuple[bytes, bytes]](), "query_string": query.encode()}
    answer = await get_view(Request({**request.scope, **told}))
    if isinstance(answer, FileResponse):
        return await asyncio.to_thread(_content, str(answer.path))
    if isinstance(answer, Streamed):
        try:
            return b"".join([bytes(chunk) async for chunk in answer.body_iterator if not isinstance(chunk, str)])
        finally:
            await answer.aclose()
    return bytes(answer.body)


async def _input(request: Request, wanted: Wanted) -> Response:
    if wanted.subfolder == FOLDER and not set(_CHANGES) & set(request.query_params):
        try:
            content = await services_of(request).uploads.read(f"{FOLDER}/{wanted.filename}")
        except UploadMissing as error:
            raise NoSuchRoute(error.message) from None
        mime = mimetypes.guess_type(wanted.filename)[0] or ""
        return Response(content, headers=_headers(wanted.filename, mime), media_type=_shown(mime))
    # Whoever may generate can have these files loaded by a graph; reading alone is not enough.
    _ask(request, Scope.GENERATE)
    return await _from(request, first_healthy(services_of(request).generation), wanted)


async def _unmarked(request: Request, wanted: Wanted) -> Response:
    """Send a file that is of no job here; for administrators alone, for it may be anybody's."""
    if not owner_of(request).is_admin:
        raise NoSuchRoute("There is no such file, or it is somebody else's.")
    return await _from(request, first_healthy(services_of(request).generation), wanted)


async def _of_job(request: Request, records: Records, job: Job, wanted: Wanted) -> Response:
    said, stored = await records.said(job), await records.results(job)
    known = False
    for key, file in numbered_files(said.outputs):
        if (file.filename, file.subfolder.strip("/"), file.type) != (wanted.filename, wanted.subfolder, wanted.folder):
            continue
        known = True
        for result_key, (result_id, _) in stored.items():
            if result_key.partition("/")[2] == key:
                return await _result(request, result_id, wanted, job)
    if not known:
        found = [result_id for result_id, name in stored.values() if name == wanted.filename]
        if len(found) != 1 or wanted.subfolder:
            raise NoSuchRoute("The job made no such file.")
        return await _result(request, found[0], wanted, job)
    backend = _backend_of(request, job)
    if backend is None:
        raise NoSuchRoute("The ComfyUI that made this file is not there any more.")
    return await _from(request, backend, wanted)


async def _result(request: Request, result_id: str, wanted: Wanted, job: Job) -> Response:
    backend = _backend_of(request, job)
    if set(_CHANGES) & set(request.query_params) and backend is not None and backend.is_up:
        try:
            return await _from(request, backend, wanted)
        except HearthError:
            pass  # ComfyUI may have forgotten the file; the whole one is better than none
    try:
        found = await services_of(request).results.gallery.file(result_id, owner_of(request))
    except ResultError as error:
        raise NoSuchRoute(error.message) from None
    mime = found.item.mime
    return FileResponse(found.path, headers=_headers(found.item.name, mime), media_type=_shown(mime))


def _backend_of(request: Request, job: Job) -> Backend | None:
    generation = services_of(request).generation
    ids = [shown.id for shown in generation.backends()]
    return generation.backend(job.backend) if job.backend in ids else None


async def _from(request: Request, backend: Backend, wanted: Wanted) -> Response:
    more = {name: request.query_params[name] for name in _CHANGES if name in request.query_params}
    return await pass_file(request, backend, view_target(wanted.filename, wanted.subfolder, wanted.folder, more))


def _ask(request: Request, scope: Scope) -> None:
    if not request.state.identity.scope.includes(scope):
        raise NoSuchRoute("There is no such file, or your key may not see it.")


def _shown(mime: str) -> str:
    return mime if mime.startswith(_SHOWN) else "application/octet-stream"


def _headers(name: str, mime: str) -> dict[str, str]:
    how = "inline" if mime.startswith(_SHOWN) else "attachment"
    plain = "".join(c for c in name if c.isascii() and c.isprintable() and c not in '"\\') or "file"
    return {
        "Content-Disposition": f'{how}; filename="{plain}"', "Content-Security-Policy": SANDBOX,
        "Cache-Control": "private, no-cache",
    }  # fmt: skip


def _content(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 -- FileResponse holds whatever it was given
        return file.read()
