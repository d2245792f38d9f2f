"""A small ComfyUI for image tests: the flags, boot log, custom nodes and wire contract of the real one, without torch.

It is copied beside ``tests/fakes/comfyui`` into a folder that stands for a checkout (see tests/images/sources.py).
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "simulated"))

import uvicorn
from boot import load_custom_nodes, search_paths_of
from comfyui_version import __version__
from flags import parse
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.fakes.comfyui.catalogue import Catalogue
from tests.fakes.comfyui.site import Site
from tests.fakes.comfyui.traps import Traps

_log = logging.getLogger("comfyui")
_PAGE = "<!doctype html><title>ComfyUI</title><p>ComfyUI stands here."


class _Server(uvicorn.Server):
    """Leaves signals alone: SIGINT becomes KeyboardInterrupt and SIGTERM ends at once, as with the real one."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _with_page(app: ASGIApp) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/":
            await HTMLResponse(_PAGE)(scope, receive, send)
            return
        await app(scope, receive, send)

    return serve


def _touch_database(url: str) -> None:
    path = url.removeprefix("sqlite:///")
    if path != ":memory:":
        sqlite3.connect(path).close()


async def _serve(base: Path, args: object, site: Site) -> None:
    site.begin(asyncio.get_running_loop())
    app = _with_page(site.application())
    servers = []
    for address in args.listen.split(","):
        config = uvicorn.Config(app, host=address, port=args.port, log_config=None, lifespan="off")
        servers.append(_Server(config))
        _log.info("To see the GUI go to: http://%s:%s", address, args.port)
    await asyncio.gather(*(server.serve() for server in servers))


def main() -> None:
    """Boot as ComfyUI 0.3 does, then serve until SIGINT."""
    args = parse()
    logging.basicConfig(level=args.verbose, format="%(message)s", stream=sys.stdout if args.log_stdout else sys.stderr)
    for name in ("uvicorn", "uvicorn.error", "asyncio", "websockets"):
        logging.getLogger(name).setLevel(logging.ERROR)
    base = Path(args.base_directory or Path(__file__).parent).absolute()
    nodes = search_paths_of(args, base)
    _log.info("Checkpoint files will always be loaded safely.")
    _log.info("Total VRAM 24106 MB, total RAM 24106 MB")
    _log.info("pytorch version: 2.13.0+cpu")
    _log.info("Set vram state to: %s", "DISABLED" if args.cpu else "NORMAL_VRAM")
    _log.info("Device: cpu")
    _log.info("Python version: %s", sys.version)
    _log.info("ComfyUI version: %s", __version__)
    for name in ("input", "output", "temp", "user"):
        (base / name).mkdir(parents=True, exist_ok=True)
    asyncio.run(load_custom_nodes(args, nodes))
    _touch_database(args.database_url)
    _log.info("Context impl SQLiteImpl.")
    _log.info("Will assume non-transactional DDL.")
    if args.quick_test_for_ci:
        return
    site = Site(base, __version__, Traps(), Catalogue(base), [])
    _log.info("Starting server\n")
    try:
        asyncio.run(_serve(base, args, site))
    except KeyboardInterrupt:
        _log.info("\nStopped server")


if __name__ == "__main__":
    main()
