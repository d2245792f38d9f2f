"""``hearth serve``: listen first, so that a taken port is one sentence, then run the application."""

from __future__ import annotations

import contextlib
import json
import socket
import sys

from backend.config import Settings
from backend.errors import HearthError
from backend.kit.imports import loading

_SHUTDOWN_S = 10
_PING_S = 20.0


class PortTaken(HearthError):
    """Somebody else listens on the address, or it does not belong to this machine."""

    code = "port_taken"
    status = 500
    default_hint = "Stop the other program, or choose another with PORT=8001 (and HOST)."


def serve(settings: Settings, *, as_json: bool) -> None:
    """Run Hearth until SIGINT or SIGTERM; its address is printed once it answers.

    Raises:
        PortTaken: The address cannot be listened on.
        HearthError: The start was refused.
    """
    with loading():
        import uvicorn

        from backend.app import create_app
        from backend.cli.status_line import SpeakingProtocol

    listener = _listen(settings.host, settings.port)
    port = int(listener.getsockname()[1])
    bound = settings.model_copy(update={"port": port})
    refusals: list[HearthError] = []
    app = create_app(bound, announce=_announce_password, refuse=refusals.append)
    config = uvicorn.Config(
        app, http=SpeakingProtocol, log_config=None, access_log=False, server_header=False, proxy_headers=False,
        ws_ping_interval=_PING_S, ws_max_size=64 * 1024, timeout_graceful_shutdown=_SHUTDOWN_S, lifespan="on",
    )  # fmt: skip

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                _tell_addresses(_addresses(settings.host, port), as_json=as_json)

    try:
        # After an orderly end uvicorn raises the signal once more, for whoever runs it.
        with contextlib.suppress(KeyboardInterrupt):
            Server(config).run(sockets=[listener])
    except SystemExit:
        if refusals:
            raise refusals[0] from None
        raise


def _tell_addresses(addresses: list[str], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"url": addresses[0], "urls": addresses}), flush=True)
    else:
        print("\n  Hearth opens at  " + "\n                   ".join(addresses) + "\n", file=sys.stderr, flush=True)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(f"Hearth cannot listen on {host} port {port}: {error.strerror or error}.") from None
    listener.set_inheritable(True)
    return listener


def _addresses(host: str, port: int) -> list[str]:
    """Name the addresses a browser can open, this machine's first."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 -- compared, not bound
        return [f"http://{f'[{host}]' if ':' in host else host}:{port}/"]
    found = [f"http://localhost:{port}/"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737 documentation address: picks the route, sends nothing
            found.append(f"http://{probe.getsockname()[0]}:{port}/")
        except OSError:
            pass  # no network: this machine only
    return found


def _announce_password(password: str) -> None:
    print(
        f"\n  Password         {password}\n  It is shown this once; change it in the account menu.\n",
        file=sys.stderr,
        flush=True,
    )
