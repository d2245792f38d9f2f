"""A service as s6 sees one: answers HTTP after a while, ends with 0 on its own signal and with 99 on any other.

``dummy_service.py NAME PORT SIGNAL BEHAVIOUR``; behaviours: ``good``, ``crash`` (ends at once), ``deaf`` (ignores signals),
``orphan`` (leaves grandchildren behind).
"""

from __future__ import annotations

import os
import signal
import socketserver
import sys
from http.server import BaseHTTPRequestHandler

name, port, polite, behaviour = sys.argv[1:]


def _end(number: int, _frame: object) -> None:
    if behaviour != "deaf":
        print(f"{name} ends by {signal.Signals(number).name}", flush=True)
        os._exit(0 if number == signal.Signals[polite] else 99)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ready")

    def log_message(self, *_: object) -> None:
        pass


class _Server(socketserver.TCPServer):
    allow_reuse_address = True


print(f"{name} starts as {os.getuid()} with {sorted(key for key in os.environ if 'SECRET' in key)}", flush=True)
print(f"{name} complains", file=sys.stderr, flush=True)
for each in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
    signal.signal(each, _end)
if behaviour == "crash":
    sys.exit(3)
if behaviour == "orphan":
    for _ in range(3):
        if os.fork() == 0:
            if os.fork() == 0:
                os._exit(0)  # a zombie, until whoever became its parent asks
            os._exit(0)
_Server(("127.0.0.1", int(port)), _Handler).serve_forever()
