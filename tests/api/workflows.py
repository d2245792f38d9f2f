"""What the tests of workflows over HTTP share: an application whose ComfyUI looks into its model folders."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
from fastapi import FastAPI


def refused(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Return the error of a refusal that says what to do."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["hint"]
    return error


async def put_in(client: httpx2.AsyncClient, content: Any, name: str, **more: str) -> dict[str, Any]:
    """Import a workflow and return it as it is shown."""
    answer = await client.post("/api/workflows", json=content, params={"name": name, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def until_known(app: FastAPI) -> None:
    """Wait until the backend has told its nodes."""
    async with asyncio.timeout(20):
        while not app.state.lifespan_state["services"].generation.backends()[0].nodes:
            await asyncio.sleep(0.01)
