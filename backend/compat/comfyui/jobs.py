"""GET /api/jobs, which newer web pages ask for the queue and the history at once."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from backend.comfyui.shapes import mapping, sequence
from backend.compat.comfyui.errors import NoSuchRoute, UnreadableBody
from backend.compat.comfyui.records import Records
from backend.compat.identity import owner_of, services_of
from backend.errors import JSON
from backend.generation import GenerationNotFound, Job, State

_STATES: Mapping[State, str] = {
    State.QUEUED: "pending",
    State.RUNNING: "in_progress",
    State.COMPLETED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}
_MAX_JOBS = 200


async def get_jobs(request: Request) -> Response:
    """List the caller's jobs, the newest first."""
    query, owner = request.query_params, owner_of(request)
    limit, offset = _whole(query.get("limit"), _MAX_JOBS), _whole(query.get("offset"), 0)
    if limit < 1 or offset < 0:
        raise UnreadableBody("limit must be 1 or more, and offset 0 or more.")
    wanted = set(filter(None, query.get("status", "").split(",")))
    states = [state for state, name in _STATES.items() if not wanted or name in wanted]
    limit = min(limit, _MAX_JOBS)
    page = await services_of(request).generation.list(owner, states=states, listed=True, limit=limit, offset=offset)
    records = Records(request, owner)
    jobs = [await _job(records, await records.job(shown.id)) for shown in page.items]
    shown = {
        "offset": offset, "limit": limit, "total": page.total, "has_more": offset + len(jobs) < page.total,
    }  # fmt: skip
    return JSONResponse({"jobs": jobs, "pagination": shown})


async def get_job(request: Request, job_id: str) -> Response:
    """Show one job with its outputs and its graph."""
    records = Records(request, owner_of(request))
    try:
        job = await records.job(job_id)
    except GenerationNotFound as error:
        raise NoSuchRoute(error.message) from None
    entry = records.entry(job)
    whole = await _job(records, job)
    whole["outputs"] = await records.outputs(job)
    whole["workflow"] = {"prompt": entry[2], "extra_data": entry[3]}
    whole["execution_status"] = mapping(mapping((await records.record(job.id)).get(job.id)).get("status"))
    return JSONResponse(whole)


async def _job(records: Records, job: Job) -> dict[str, JSON]:
    outputs = await records.outputs(job) if job.state is State.COMPLETED else {}
    files = [
        {**mapping(file), "nodeId": node, "mediaType": key}
        for node, output in outputs.items()
        for key, values in mapping(output).items()
        for file in sequence(values)
        if "filename" in mapping(file)
    ]
    shown: dict[str, JSON] = {
        "id": job.id,
        "status": _STATES[job.state],
        "priority": int(job.created_at.timestamp() * 1000),
        "create_time": int(job.created_at.timestamp() * 1000),
        "execution_start_time": int(job.started_at.timestamp() * 1000) if job.started_at else None,
        "execution_end_time": int(job.finished_at.timestamp() * 1000) if job.finished_at else None,
        "outputs_count": len(files),
        "preview_output": files[-1] if files else None,
        "workflow_id": None,
    }
    if job.problem is not None:
        details = job.problem.details
        shown["execution_error"] = {
            "exception_message": job.problem.message, "exception_type": job.problem.code, "traceback": [],
            "node_id": details.get("node_id"), "node_type": details.get("class_type"),
        }  # fmt: skip
    return shown


def _whole(text: str | None, default: int) -> int:
    try:
        return default if text is None else int(text)
    except ValueError:
        raise UnreadableBody(f"{(text or '')[:40]!r} is no whole number.") from None
