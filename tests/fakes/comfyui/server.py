"""The simulated server as a test holds it: start, stop, break, look inside."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn

from tests.fakes.comfyui.catalogue import Catalogue
from tests.fakes.comfyui.folders import model_files, search_paths
from tests.fakes.comfyui.site import Seen, Site
from tests.fakes.comfyui.traps import Traps
from tests.live import free_port

_DEADLINE_S = 20


class SimulatedComfyUI:
    """Serve on a free loopback port for as long as the context lasts.

    Args:
        base: Folder that holds ``models/`` and perhaps ``extra_model_paths.yaml``, as ComfyUI's own folder does.
        version: ``0.3.64`` or ``0.26.0``: which of the two recorded versions it speaks like.
        object_info: A recording of /object_info to serve instead of the small one.
    """

    def __init__(
        self, base: Path, port: int | None = None, *, version: str = "0.3.64", traps: Traps | None = None,
        object_info: Path | None = None,
    ) -> None:  # fmt: skip
        self.base = base
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.traps = traps or Traps()
        self.requests: list[Seen] = []
        self._version = version
        self._catalogue = Catalogue(base, object_info)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.site = self._new_site()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Begin a new life: an empty queue, an empty history, the same files."""
        self.site = self._new_site()
        config = uvicorn.Config(
            self.site.application(), host="127.0.0.1", port=self.port, log_config=None, lifespan="off",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, args=(self._server,), name="simulated-comfyui", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _DEADLINE_S
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """End this life; everything in memory is forgotten."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        self._call(self.site.worker.release)
        server.should_exit = True
        server.force_exit = True
        self._thread.join(timeout=10)

    def restart(self) -> None:
        """Stop and start on the same port: the queue and the history are gone, files stay."""
        self.stop()
        self.start()

    def hold(self) -> None:
        """Stop executing at the next step or node, until :meth:`release`."""
        self._call(self.site.worker.hold)

    def release(self) -> None:
        """Execute again."""
        self._call(self.site.worker.release)

    def kill_worker(self) -> None:
        """End the part that executes, as an exception in its thread does; HTTP lives on."""
        assert self.site.working is not None
        self._call(self.site.working.cancel)
        self._call(lambda: self.site.sockets.log("Exception in thread Thread-2 (prompt_worker):\n"))

    @property
    def prompts(self) -> list[dict[str, Any]]:
        """The bodies of the prompts that this life has accepted."""
        return self.site.prompts

    @property
    def clients(self) -> list[str]:
        """The client ids that are told something."""
        return self.site.sockets.ids

    def wait_for(self, condition: Callable[[], object], timeout_s: float = 10) -> None:
        """Wait until *condition* holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            time.sleep(0.005)

    def folders(self) -> dict[str, list[Path]]:
        """Return the search path of every category: its own folders first, then those of the configuration."""
        return search_paths(self.base)

    def files(self, category: str) -> list[tuple[Path, Path]]:
        """List (search folder, file) of a category; the first of equal names wins."""
        return model_files(self.base, category)

    def _new_site(self) -> Site:
        return Site(self.base, self._version, self.traps, self._catalogue, self.requests)

    def _serve(self, server: uvicorn.Server) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        try:
            self.site.begin(self._loop)
            self._loop.run_until_complete(server.serve())
            pending = asyncio.all_tasks(self._loop)
            for task in pending:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        finally:
            self._loop.close()

    def _call(self, action: Callable[[], object]) -> None:
        """Do something on the server's own event loop, and wait until it is done."""
        done = threading.Event()

        def act() -> None:
            action()
            done.set()

        self._loop.call_soon_threadsafe(act)
        assert done.wait(_DEADLINE_S)
