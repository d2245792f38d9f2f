"""One prompt, executed: frames in the order of the recordings, results kept for the next prompt only."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fakes.comfyui.nodes import Failure, Interrupted, Result, run
from tests.fakes.comfyui.order import Order, is_link
from tests.fakes.comfyui.queue import Item

if TYPE_CHECKING:
    from tests.fakes.comfyui.worker import Worker

_TRACEBACK = [
    '  File "/opt/ComfyUI/ComfyUI/execution.py", line 496, in execute\n    output_data = await get_output_data(...)\n',
    '  File "/opt/ComfyUI/ComfyUI/custom_nodes/test_nodes/__init__.py", line 74, in run\n    raise ValueError(message)\n',
]


class Execution:
    """Run *item*; afterwards ``outputs``, ``meta``, ``messages`` and ``is_success`` go into the history."""

    def __init__(self, worker: Worker, item: Item) -> None:
        _, self._prompt_id, self._graph, self._extra, self._targets = item
        self._worker = worker
        self._sid: str | None = self._extra.get("client_id")
        self._states: dict[str, dict[str, Any]] = {}
        self._executed: list[str] = []
        self._signatures: dict[str, str] = {}
        self._node = ""
        self.messages: list[list[Any]] = []
        self.is_success = True

    async def run(self) -> None:
        worker = self._worker
        self._message("execution_start", {"prompt_id": self._prompt_id})
        self._signatures = {node: self._signature(node) for node in self._graph}
        # What this prompt does not need is forgotten: only the last prompt's results are ever known.
        needed = set(self._signatures.values())
        worker.remembered = {key: result for key, result in worker.remembered.items() if key in needed}
        cached = [node for node in self._graph if self._known(node)]
        self._message("execution_cached", {"nodes": cached, "prompt_id": self._prompt_id})
        order = Order(self._graph, lambda node: self._known(node) is not None, self._shows)
        for output in self._targets:
            order.add(output)
        while (node := order.next()) is not None:
            if not await self._one(node):
                return
            order.done(node)
        self._message("execution_success", {"prompt_id": self._prompt_id})

    @property
    def outputs(self) -> dict[str, Any]:
        known = {node: self._known(node) for node in self._graph}
        return {node: result.ui for node, result in known.items() if result is not None and result.ui is not None}

    @property
    def meta(self) -> dict[str, Any]:
        return {
            node: {"node_id": node, "display_node": node, "parent_node": None, "real_node_id": node}
            for node in self.outputs
        }

    def _known(self, node: str) -> Result | None:
        return self._worker.remembered.get(self._signatures[node])

    async def _one(self, node: str) -> bool:
        """Run one node; False when it is the end."""
        known = self._known(node)
        if known is not None:
            if known.ui is not None:
                self._show(node, known.ui)
            self._state(node, 1, 1, "finished")
            return True
        self._node = node
        self._state(node, 0.0, 1.0, "running")
        if self._sid is not None:
            self._worker.sockets.running = (self._sid, node)
            self._worker.sockets.send("executing", self._about(node), self._sid)
        try:
            await self._worker.breathe()
            self._stop_if_asked()
            result = await run(
                self._class(node), self._inputs(node), self._worker.catalogue.outputs(self._class(node)), self
            )
        except Interrupted:
            self._fail("execution_interrupted", {}, broadcast=True)
            return False
        except Failure as failure:
            self._fail("execution_error", self._report(node, failure))
            return False
        self._worker.remembered[self._signatures[node]] = result
        self._executed.append(node)
        if result.ui is not None:
            self._show(node, result.ui)
        maximum = self._states[node]["max"]
        self._state(node, maximum, maximum, "finished")
        return True

    async def step(self, value: int, maximum: int, image: bytes | None = None, mime: str = "image/jpeg") -> None:
        self._stop_if_asked()
        self._state(self._node, value, maximum, "running")
        knows_metadata = self._worker.sockets.knows_metadata(self._sid)
        data = {"value": value, "max": maximum, "prompt_id": self._prompt_id, "node": self._node}
        if not knows_metadata:
            self._worker.sockets.send("progress", data, self._sid)
        if image is not None:
            about = {
                "node_id": self._node, "prompt_id": self._prompt_id, "display_node_id": self._node,
                "parent_node_id": None, "real_node_id": self._node,
            }  # fmt: skip
            self._worker.sockets.send_preview(mime, image, about, self._sid)
        if knows_metadata:
            self._worker.sockets.send("progress", data, self._sid)
        await self._worker.breathe()

    async def pause(self, seconds: float) -> None:
        await self._worker.pause(seconds)

    def text(self, text: str) -> None:
        if self._sid is not None:
            self._worker.sockets.send_text(self._node, text, self._sid)

    def texts(self) -> dict[str, Any]:
        return {"prompt": self._graph, **self._extra.get("extra_pnginfo", {})}

    def write(self, prefix: str, ending: str, content: bytes, *, temporary: bool = False) -> dict[str, str]:
        """Write below output or temp under the next free number, as the real nodes do."""
        kind = "temp" if temporary else "output"
        subfolder, name = str(Path(prefix).parent), Path(prefix).name
        subfolder = "" if subfolder == "." else subfolder
        folder = self._worker.base / kind / subfolder
        folder.mkdir(parents=True, exist_ok=True)
        taken = [path.name[len(name) + 1 :].split("_")[0] for path in folder.glob(f"{name}_*_.*")]
        number = max((int(each) for each in taken if each.isdigit()), default=0) + 1
        filename = f"{name}_{number:05}_.{ending}"
        (folder / filename).write_bytes(content)
        return {"filename": filename, "subfolder": subfolder, "type": kind}

    @property
    def step_s(self) -> float:
        return self._worker.traps.step_s

    def _stop_if_asked(self) -> None:
        if self._worker.is_interrupted:
            self._worker.is_interrupted = False
            raise Interrupted

    def _state(self, node: str, value: float, maximum: float, state: str) -> None:
        self._states[node] = {
            "value": value, "max": maximum, "state": state, "node_id": node, "prompt_id": self._prompt_id,
            "display_node_id": node, "parent_node_id": None, "real_node_id": node,
        }  # fmt: skip
        data = {"prompt_id": self._prompt_id, "nodes": dict(self._states)}
        self._worker.sockets.send("progress_state", data, self._sid)

    def _show(self, node: str, ui: dict[str, Any]) -> None:
        if self._sid is not None:
            data = {"node": node, "display_node": node, "output": ui, "prompt_id": self._prompt_id}
            self._worker.sockets.send("executed", data, self._sid)

    def _message(self, kind: str, data: dict[str, Any], *, broadcast: bool = False) -> None:
        stamped = {**data, "timestamp": int(time.time() * 1000)}
        self.messages.append([kind, stamped])
        is_silent = self._worker.traps.silent_endings and kind not in ("execution_start", "execution_cached")
        if (self._sid is not None or broadcast) and not is_silent:
            self._worker.sockets.send(kind, stamped, self._sid)

    def _fail(self, kind: str, report: dict[str, Any], *, broadcast: bool = False) -> None:
        self.is_success = False
        about = {
            "prompt_id": self._prompt_id, "node_id": self._node, "node_type": self._class(self._node),
            "executed": list(self._executed),
        }  # fmt: skip
        self._message(kind, {**about, **report}, broadcast=broadcast)

    def _report(self, node: str, failure: Failure) -> dict[str, Any]:
        inputs = {name: [str(value)] for name, value in self._inputs(node).items()}
        return {
            "exception_message": str(failure), "exception_type": failure.kind, "traceback": _TRACEBACK,
            "current_inputs": inputs, "current_outputs": list(self._graph),
        }  # fmt: skip

    def _about(self, node: str) -> dict[str, Any]:
        return {"node": node, "display_node": node, "prompt_id": self._prompt_id}

    def _class(self, node: str) -> str:
        return self._graph[node]["class_type"]

    def _shows(self, node: str) -> bool:
        return self._worker.catalogue.shows(self._class(node))

    def _inputs(self, node: str) -> dict[str, Any]:
        remembered = self._worker.remembered
        return {
            name: remembered[self._signatures[value[0]]].values[int(value[1])] if is_link(value) else value
            for name, value in self._graph[node]["inputs"].items()
        }

    def _signature(self, node: str) -> str:
        own = {
            name: [self._signature(value[0]), value[1]] if is_link(value) else value
            for name, value in self._graph[node]["inputs"].items()
        }
        return hashlib.sha256(json.dumps([self._class(node), own], sort_keys=True).encode()).hexdigest()
