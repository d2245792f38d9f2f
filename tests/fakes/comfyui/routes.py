"""Prompts, queue, history, interrupt, free."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.fakes.comfyui.validation import Validation, error

if TYPE_CHECKING:
    from tests.fakes.comfyui.site import Site

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NO_PROMPT = error("no_prompt", "No prompt provided", "No prompt provided")
_BAD_ID = error(
    "invalid_prompt_id",
    "prompt_id must be a valid UUID",
    "prompt_id must be a UUID string in canonical lowercase hyphenated form; omit it to let the server generate one",
)


class PromptRoutes:
    """Handlers of one server."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def table(self) -> list[tuple[str, str, Any]]:
        return [
            ("GET", "/prompt", self.remaining), ("POST", "/prompt", self.submit), ("GET", "/queue", self.queue),
            ("POST", "/queue", self.change_queue), ("GET", "/history", self.history),
            ("GET", "/history/{prompt_id}", self.one), ("POST", "/history", self.change_history),
            ("POST", "/interrupt", self.interrupt), ("POST", "/free", self.free),
        ]  # fmt: skip

    async def remaining(self, _: Request) -> Response:
        return JSONResponse({"exec_info": {"queue_remaining": self._site.queue.remaining}})

    async def submit(self, request: Request) -> Response:
        site, body = self._site, await request.json()
        site.sockets.log("got prompt\n")
        if "prompt" not in body:
            return _refused(_NO_PROMPT)
        number = site.queue.number(body)
        prompt_id = str(body.get("prompt_id", uuid.uuid4()))
        if site.is_new and not _UUID.fullmatch(prompt_id):
            return _refused(_BAD_ID)
        graph, extra = body["prompt"], dict(body.get("extra_data", {}))
        validation = Validation(graph, site.catalogue, site.base, is_new=site.is_new)
        validation.judge(body.get("partial_execution_targets"))
        if validation.error is not None:
            return _refused(validation.error, validation.node_errors)
        if "client_id" in body:
            extra["client_id"] = body["client_id"]
        if site.is_new:
            extra["create_time"] = int(time.time() * 1000)
        site.prompts.append(body)
        site.queue.put((number, prompt_id, graph, extra, validation.outputs))
        if site.traps.frames_before_answer:
            await site.worker.over(prompt_id).wait()
            await asyncio.sleep(0.02)
        return JSONResponse({"prompt_id": prompt_id, "number": number, "node_errors": validation.node_errors})

    async def queue(self, _: Request) -> Response:
        return JSONResponse(self._site.queue.as_json())

    async def change_queue(self, request: Request) -> Response:
        body = await request.json()
        if body.get("clear"):
            self._site.queue.clear()
        for prompt_id in body.get("delete", []):
            self._site.queue.delete(prompt_id)
        return Response()

    async def history(self, request: Request) -> Response:
        query = request.query_params
        max_items = int(query["max_items"]) if "max_items" in query else None
        return JSONResponse(self._site.queue.recent(max_items, int(query.get("offset", -1))))

    async def one(self, request: Request) -> Response:
        prompt_id = request.path_params["prompt_id"]
        history = self._site.queue.history
        return JSONResponse({prompt_id: history[prompt_id]} if prompt_id in history else {})

    async def change_history(self, request: Request) -> Response:
        body = await request.json()
        if body.get("clear"):
            self._site.queue.history.clear()
        for prompt_id in body.get("delete", []):
            self._site.queue.history.pop(prompt_id, None)
        return Response()

    async def interrupt(self, request: Request) -> Response:
        raw = await request.body()
        prompt_id = (await request.json()).get("prompt_id") if raw else None
        running = [item[1] for item in self._site.queue.running.values()]
        if prompt_id is None or prompt_id in running:
            self._site.worker.is_interrupted = True
        return Response()

    async def free(self, request: Request) -> Response:
        body = await request.json()
        self._site.worker.frees.append(body)
        if body.get("free_memory"):
            self._site.worker.remembered.clear()
        return Response()


def _refused(problem: dict[str, Any], node_errors: dict[str, Any] | None = None) -> Response:
    return JSONResponse({"error": problem, "node_errors": node_errors or {}}, 400)
