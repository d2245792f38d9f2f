"""What the server is, what it has, and its own list of jobs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.fakes.comfyui.folders import FOLDERS, HIDDEN, model_files, search_paths

if TYPE_CHECKING:
    from tests.fakes.comfyui.site import Site

_ENDS = ("execution_success", "execution_error", "execution_interrupted")


class AboutRoutes:
    """Handlers of one server."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def table(self) -> list[tuple[str, str, Any]]:
        return [
            ("GET", "/system_stats", self.system_stats), ("GET", "/features", self.features),
            ("GET", "/object_info", self.object_info), ("GET", "/object_info/{name}", self.one_class),
            ("GET", "/models", self.models), ("GET", "/models/{name}", self.category),
            ("GET", "/embeddings", self.embeddings), ("GET", "/experiment/models", self.experiment),
            ("GET", "/experiment/models/{name}", self.experiment_category), ("GET", "/extensions", self.nothing),
            ("GET", "/internal/logs/raw", self.logs), ("PATCH", "/internal/logs/subscribe", self.subscribe),
        ]  # fmt: skip

    def jobs_table(self) -> list[tuple[str, str, Any]]:
        """Return the routes that exist below /api only, and in new versions only."""
        return [
            ("GET", "/api/jobs", self.jobs), ("GET", "/api/jobs/{job_id}", self.job),
            ("POST", "/api/jobs/{job_id}/cancel", self.cancel),
        ]  # fmt: skip

    async def system_stats(self, _: Request) -> Response:
        system = {
            "os": "linux" if self._site.is_new else "posix", "ram_total": 25276510208, "ram_free": 20578783232,
            "comfyui_version": self._site.version, "required_frontend_version": "1.27.10", "python_version": "3.11.7",
            "pytorch_version": "2.13.0+cpu", "embedded_python": False, "argv": ["main.py", "--simulated"],
        }  # fmt: skip
        device = {"name": "cpu", "type": "cpu", "index": None, "vram_total": 25276510208, "vram_free": 20578783232,
                  "torch_vram_total": 25276510208, "torch_vram_free": 20578783232}  # fmt: skip
        return JSONResponse({"system": system, "devices": [device]})

    async def features(self, _: Request) -> Response:
        return JSONResponse(self._site.features)

    async def object_info(self, _: Request) -> Response:
        return JSONResponse(self._site.catalogue.document())

    async def one_class(self, request: Request) -> Response:
        name = request.path_params["name"]
        return JSONResponse({name: self._site.catalogue.entry(name)} if name in self._site.catalogue else {})

    async def models(self, _: Request) -> Response:
        return JSONResponse(list(FOLDERS))

    async def category(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FOLDERS:
            return Response(status_code=404)
        found = model_files(self._site.base, name)
        return JSONResponse([path.relative_to(folder).as_posix() for folder, path in found])

    async def embeddings(self, _: Request) -> Response:
        found = model_files(self._site.base, "embeddings")
        return JSONResponse([path.relative_to(folder).with_suffix("").as_posix() for folder, path in found])

    async def experiment(self, _: Request) -> Response:
        found = search_paths(self._site.base)
        names = [name for name in found if name not in HIDDEN]
        return JSONResponse([{"name": name, "folders": [str(each) for each in found[name]]} for name in names])

    async def experiment_category(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FOLDERS:
            return Response(status_code=404)
        folders = search_paths(self._site.base)[name]
        found = model_files(self._site.base, name)
        return JSONResponse([_described(folders.index(folder), folder, path) for folder, path in found])

    async def nothing(self, _: Request) -> Response:
        return JSONResponse([])

    async def logs(self, _: Request) -> Response:
        entries = [{"t": "2026-11-20T12:29:15.883859", "m": line} for line in self._site.sockets.lines[-300:]]
        return JSONResponse({"entries": entries, "size": {"cols": 80, "rows": 24}})

    async def subscribe(self, request: Request) -> Response:
        body = await request.json()
        readers = self._site.sockets.log_readers
        (readers.add if body["enabled"] else readers.discard)(body["clientId"])
        return Response()

    async def jobs(self, request: Request) -> Response:
        query = request.query_params
        wanted = query.get("status")
        found = [job for job in self._all() if wanted is None or job["status"] in wanted.split(",")]
        limit, offset = int(query["limit"]) if "limit" in query else None, int(query.get("offset", 0))
        page = found[offset : None if limit is None else offset + limit]
        more = offset + len(page) < len(found)
        pagination = {"offset": offset, "limit": limit, "total": len(found), "has_more": more}
        return JSONResponse({"jobs": page, "pagination": pagination})

    async def job(self, request: Request) -> Response:
        job_id = request.path_params["job_id"]
        job = next((each for each in self._all() if each["id"] == job_id), None)
        if job is None:
            return JSONResponse({"error": "Job not found"}, 404)
        return JSONResponse({**job, "outputs": self._site.queue.history.get(job_id, {}).get("outputs", {})})

    async def cancel(self, request: Request) -> Response:
        job_id = request.path_params["job_id"]
        status = next((each["status"] for each in self._all() if each["id"] == job_id), None)
        if status == "in_progress":
            self._site.worker.is_interrupted = True
        elif status == "pending":
            self._site.queue.delete(job_id)
        return JSONResponse({"cancelled": status in ("in_progress", "pending")})

    def _all(self) -> list[dict[str, Any]]:
        queue = self._site.queue
        jobs = [_waiting(item, "pending") for item in queue.pending]
        jobs += [_waiting(item, "in_progress") for item in queue.running.values()]
        jobs += [_over(record) for record in queue.history.values()]
        return sorted(jobs, key=lambda job: job["create_time"], reverse=True)


def _waiting(item: Any, status: str) -> dict[str, Any]:
    number, prompt_id, _, extra, _ = item
    return {
        "id": prompt_id, "status": status, "priority": number, "create_time": extra.get("create_time", 0), "outputs_count": 0,
    }  # fmt: skip


def _over(record: dict[str, Any]) -> dict[str, Any]:
    kinds = dict(record["status"]["messages"])
    status = "completed" if record["status"]["completed"] else "failed"
    job = _waiting(record["prompt"], "cancelled" if "execution_interrupted" in kinds else status)
    job["execution_start_time"] = kinds["execution_start"]["timestamp"]
    job["execution_end_time"] = next(data["timestamp"] for kind, data in kinds.items() if kind in _ENDS)
    job["outputs_count"] = sum(len(files) for ui in record["outputs"].values() for files in ui.values())
    if "execution_error" in kinds:
        job["execution_error"] = kinds["execution_error"]
    return job


def _described(index: int, folder: Path, path: Path) -> dict[str, Any]:
    stat = path.stat()
    name = path.relative_to(folder).as_posix()
    return {
        "name": name, "pathIndex": index, "modified": stat.st_mtime, "created": stat.st_ctime, "size": stat.st_size,
    }  # fmt: skip
