"""The door that the image's scripts use: ``python3 -I -S /opt/hearth/app/backend/boot WHAT …``.

``start [COMMAND …]``, ``service NAME [--ready ADDRESS] -- COMMAND …``, ``ended NAME CODE SIGNAL``, ``hooks PHASE`` and
``comfyui [FLAGS …]``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Do what the first argument names; the doors that become another program do not return."""
    what, *rest = arguments or ["start"]
    if what == "start":
        from backend.boot import start

        start.main(rest, os.environ)
    elif what == "service":
        from backend.boot import service

        options, command = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
        service.run(options[0], command, options[2] if options[1:2] == ["--ready"] else "", os.environ)
    elif what == "ended":
        from backend.boot import service

        service.end(rest[0], int(rest[1]), int(rest[2]), os.environ, Path("supervise/status"))
    elif what == "hooks":
        from backend.boot import hooks

        return 1 if hooks.run(rest[0], os.environ) else 0
    elif what == "comfyui":
        from backend.boot import comfyui

        comfyui.main(rest, os.environ)
    else:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    return 0


if __name__ == "__main__":
    if __package__ == "":  # run as a folder: Python put that folder first instead of the one that holds `backend`
        sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)
    raise SystemExit(main(sys.argv[1:]))
