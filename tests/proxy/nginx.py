"""A real nginx on our configuration, with the ports and paths of a test."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.live import free_port

_ROOT = Path(__file__).parents[2]
_MODULES = Path("/usr/lib/nginx/modules")
BROTLI = _MODULES / "ngx_http_brotli_filter_module.so"


class Nginx:
    """Run ``proxy/nginx.conf`` below *base*.

    Args:
        behind: The ports of what lies behind, by the port that the configuration names.
    """

    def __init__(self, base: Path, behind: Mapping[int, int]) -> None:
        self._base = base
        self._behind = behind
        self.ports = {port: free_port() for port in (8001, 3001, 8081, 8889)}
        self._process: subprocess.Popen[bytes] | None = None
        self.log = base / "nginx.log"

    def url(self, port: int) -> str:
        """Return the address of the door that the configuration has on *port*."""
        return f"http://127.0.0.1:{self.ports[port]}"

    def __enter__(self) -> Self:
        self._lay_out()
        command = ["nginx", "-c", str(self._base / "nginx.conf"), "-e", "stderr"]
        trial = subprocess.run([*command, "-t"], check=False, capture_output=True, text=True, timeout=20)
        assert trial.returncode == 0, trial.stderr
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=20)

    def _lay_out(self) -> None:
        shutil.copytree(_ROOT / "proxy", self._base, dirs_exist_ok=True)
        for folder in ("conf.d", "modules-enabled", "run", "tmp"):
            (self._base / folder).mkdir()
        if BROTLI.exists():
            (self._base / "modules-enabled" / "brotli.conf").write_text(f"load_module {BROTLI};\n")
            shutil.copy(self._base / "snippets" / "brotli.conf", self._base / "conf.d" / "brotli.conf")
        for path in [self._base / "nginx.conf", *(self._base / "snippets").iterdir()]:
            path.write_text(self._placed(path.read_text()))

    def _placed(self, text: str) -> str:
        text = re.sub(r"/etc/nginx/(?!mime)", f"{self._base}/", text)
        text = text.replace("/opt/hearth/app", str(_ROOT)).replace("/run/hearth", f"{self._base}/run")
        text = text.replace("/tmp/nginx-", f"{self._base}/tmp/nginx-")
        for port, mine in self.ports.items():
            text = text.replace(f"listen {port} ", f"listen 127.0.0.1:{mine} ")
        for port, other in self._behind.items():
            text = text.replace(f"server 127.0.0.1:{port};", f"server 127.0.0.1:{other};")
        # The test's user owns everything already; a worker as root needs no second one.
        return text if os.getuid() else text.replace("daemon off;", "daemon off;\nuser root;")
