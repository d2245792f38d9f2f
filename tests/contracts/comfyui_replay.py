"""Do again what a recording did, against any server, and bring both into a form that can be compared.

Ids, times, file names and counters differ from run to run; types, keys and order do not.
"""

from __future__ import annotations

import asyncio
import json
import struct
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect

RECORDINGS = Path(__file__).parent / "recordings"
VERSIONS = ("0.3.64", "0.26.0")
_QUIET_S = 0.4


def recording(version: str, name: str) -> list[dict[str, Any]]:
    """Return the lines of a recording, oldest first."""
    path = RECORDINGS / version / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def names(version: str, prefix: str) -> list[str]:
    """Return the recordings whose name begins with *prefix*."""
    return sorted(path.stem for path in (RECORDINGS / version).glob(f"{prefix}*.jsonl"))


@dataclass
class Heard:
    """What a replay saw: frames by socket, in order, and answers."""

    frames: list[dict[str, Any]] = field(default_factory=list)
    answers: list[tuple[dict[str, Any], httpx2.Response]] = field(default_factory=list)


async def replay(url: str, lines: list[dict[str, Any]], *, salt: int | None = None) -> Heard:
    """Open the recording's socket, send its prompts, wait for the end of each, and return what came.

    Args:
        salt: Makes the graphs new to the server, so that no earlier run has left results of them.
    """
    heard = Heard()
    opened = next(line for line in lines if line["kind"] == "ws_open")
    client_id = uuid.uuid4().hex if "clientId" in opened["url"] else None
    address = url.replace("http", "ws", 1) + "/ws" + (f"?clientId={client_id}" if client_id else "")
    async with (
        connect(address, max_size=None, compression=None, proxy=None) as socket,
        httpx2.AsyncClient(base_url=url) as http,
    ):
        for line in lines:
            if line["kind"] == "ws_send" and isinstance(line["data"], dict):
                await socket.send(json.dumps(line["data"]))
                await _collect(socket, heard, until="feature_flags")
            elif line["kind"] == "http" and line["path"] == "/prompt" and line["method"] == "POST":
                body = salted(line["request"], salt)
                if client_id is not None:
                    body["client_id"] = client_id
                answer = await http.post("/prompt", json=body)
                heard.answers.append((line, answer))
                if answer.status_code == 200:
                    await _collect(socket, heard, until="over" if client_id else "quiet")
                    prompt_id = answer.json()["prompt_id"]
                    heard.answers.append(({"path": "/history"}, await http.get(f"/history/{prompt_id}")))
    return heard


async def _collect(socket: ClientConnection, heard: Heard, *, until: str) -> None:
    while True:
        try:
            raw = await asyncio.wait_for(socket.recv(), _QUIET_S if until == "quiet" else 60)
        except TimeoutError:
            assert until == "quiet", f"no {until}"
            return
        frame = decoded(raw)
        heard.frames.append(frame)
        is_over = frame["type"] == "executing" and frame["data"]["node"] is None
        if frame["type"] == until or (until == "over" and is_over):
            return


def decoded(raw: str | bytes) -> dict[str, Any]:
    """Return a frame in the recordings' form: JSON as it is, of a binary one its type and what it says."""
    if isinstance(raw, str):
        return json.loads(raw)
    event, second = struct.unpack_from(">II", raw)
    frame: dict[str, Any] = {"type": f"binary {event}"}
    if event == 4:
        frame["data"] = json.loads(raw[8 : 8 + second])
    elif event == 1:
        frame["data"] = {"image_type": second}
    else:
        frame["data"] = {"node_id": raw[8 : 8 + second].decode(), "text": raw[8 + second :].decode()}
    return frame


def recorded_frames(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the frames of a recording with one socket, in the same form."""
    frames: list[dict[str, Any]] = []
    for line in lines:
        if line["kind"] == "ws":
            frames.append(line["data"])
        elif line["kind"] == "ws_bin":
            about = line.get("meta") or {key: line[key] for key in ("node_id", "text", "image_type") if key in line}
            frames.append({"type": f"binary {line['event']}", "data": about})
    return frames


def shape(frame: dict[str, Any]) -> tuple[Any, ...]:
    """Return what must be equal: the type, the keys, and the facts that do not depend on the run."""
    kind, data = frame["type"], frame["data"]
    if kind == "progress_state":
        states = tuple((node, tuple(sorted(state)), state["state"]) for node, state in data["nodes"].items())
        return kind, tuple(sorted(data)), states
    if kind == "executed":
        return kind, tuple(sorted(data)), data["node"], _output_shape(data["output"])
    if kind == "execution_cached":
        return kind, tuple(sorted(data)), tuple(sorted(data["nodes"]))
    if kind == "execution_error":
        return (
            kind,
            tuple(sorted(data)),
            data["node_id"],
            data["node_type"],
            data["exception_type"],
            data["exception_message"],
        )
    if kind in ("executing", "execution_interrupted"):
        return kind, tuple(sorted(data)), data.get("node", data.get("node_id"))
    if kind == "progress":
        return kind, tuple(sorted(data)), data["node"], data["value"], data["max"]
    if kind.startswith("binary"):
        return kind, tuple(sorted(data)), data.get("node_id"), data.get("text"), data.get("image_type")
    return kind, tuple(sorted(data))


def _output_shape(output: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(
        (key, tuple((*tuple(sorted(each)), each["type"]) if isinstance(each, dict) else each for each in values))
        for key, values in output.items()
    )


def salted(body: dict[str, Any], salt: int | None) -> dict[str, Any]:
    """Return *body* with colours and seeds moved by *salt*, and no long waits."""
    copied = json.loads(json.dumps(body))
    for node in copied.get("prompt", {}).values() if salt is not None else ():
        inputs = node["inputs"]
        for name, limit in (("color", 0xFFFFFF), ("seed", 2**31)):
            if name in inputs:
                inputs[name] = (inputs[name] + salt) % limit
        if "seconds" in inputs:
            inputs["seconds"] = min(inputs["seconds"], 0.2)
        if node["class_type"] == "SolidMask":
            inputs["value"] = 0.25 + (salt % 1000) / 2000
    return copied
