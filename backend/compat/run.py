"""Wait for a job on behalf of a client that only knows one long request: it leaves, the job is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from backend.compat.desk import Desk, Ended, Update
from backend.compat.errors import JobFailed
from backend.errors import HearthError
from backend.generation import GenerationJob, State
from backend.logs import get_logger

log = get_logger(__name__)

_T = TypeVar("_T")
_errands: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly


@asynccontextmanager
async def cancelled_when_left(desk: Desk, job_id: str) -> AsyncGenerator[None]:
    """Cancel the job when the block is left by an error or by cancelling."""
    try:
        yield
    except BaseException:
        # A task of its own: the one that runs here may be cancelled already, and would not come to it.
        task = asyncio.create_task(_cancel(desk, job_id), name=f"cancel {job_id}")
        _errands.add(task)
        task.add_done_callback(_errands.discard)
        await asyncio.shield(task)
        raise


async def _cancel(desk: Desk, job_id: str) -> None:
    try:
        await desk.cancel(job_id)
    except HearthError as error:
        log.warning("job_not_cancelled", job=job_id, reason=error.message)


async def finished(updates: AsyncIterator[Update]) -> GenerationJob:
    """Return the job when it has completed.

    Raises:
        JobFailed: It ended without a result.
    """
    async for update in updates:
        if isinstance(update, Ended):
            return completed(update.job)
    raise JobFailed("lost", "The job is not known any more.", "Send the request again.", {})


def completed(job: GenerationJob) -> GenerationJob:
    """Return *job* when it made something.

    Raises:
        JobFailed: It ended without a result.
    """
    if job.state is State.COMPLETED:
        return job
    if job.state is State.CANCELLED:
        raise JobFailed("interrupted", "The job was cancelled.", "Send the request again if that was a mistake.", {})
    problem = job.error or {}
    message = str(problem.get("message", "The job failed."))
    code, details = str(problem.get("code", "generation_error")), problem.get("details", {})
    raise JobFailed(code, message, str(problem.get("hint", "")), {**details, "job_id": job.id})


async def unless_left(request: Request, work: Awaitable[_T]) -> _T:
    """Return what *work* returns; when the client leaves first, *work* is cancelled.

    Raises:
        ClientDisconnect: The client has left.
    """
    task, left = asyncio.ensure_future(work), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        left.cancel()
        await asyncio.gather(task, left, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
