"""Hand a request on to the first ComfyUI that answers, and its answer back, as fast as both sides read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from backend.comfyui.passthrough import Passed
from backend.compat.comfyui.address import Address
from backend.compat.comfyui.backends import first_healthy
from backend.compat.comfyui.errors import NoSuchRoute
from backend.compat.identity import services_of
from backend.generation import Backend

# The page builds its code from pieces; but it speaks to nobody except this server.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; frame-src 'self' blob:; "
    "form-action 'self'; base-uri 'self'; frame-ancestors 'self'"
)
# What people put there gets no origin, runs no script and loads nothing, whatever it is.
SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'; sandbox"
# Of a file, what does not depend on who asks for it in which way.
_OF_A_FILE = frozenset({"range", "if-range", "if-none-match", "if-modified-since", "accept", "accept-encoding"})


async def pass_on(request: Request, address: Address) -> Response:
    """Send the request to ComfyUI as it came, without who sent it.

    Raises:
        NoComfyUI, ComfyUIUnreachable, ComfyUISilent: There is no answer.
    """
    backend = first_healthy(services_of(request).generation)
    has_body = request.method not in ("GET", "HEAD") and (
        "content-length" in request.headers or "transfer-encoding" in request.headers
    )
    policy = _PAGE_POLICY if address.is_static else SANDBOX
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
    return await _streamed(
        backend, request.method, address.target, headers, request.stream() if has_body else None, policy
    )


async def pass_file(request: Request, backend: Backend, target: str) -> Response:
    """Send a file of one of ComfyUI's folders.

    Raises:
        NoSuchRoute: It is not there.
        ComfyUIUnreachable, ComfyUISilent: There is no answer.
    """
    headers = [(name, value) for name, value in request.headers.items() if name in _OF_A_FILE]
    answer = await _streamed(backend, request.method, target, headers, None, SANDBOX)
    if answer.status_code in (400, 403, 404):
        await answer.aclose()
        raise NoSuchRoute("ComfyUI does not have this file.")
    return answer


async def _streamed(
    backend: Backend,
    method: str,
    target: str,
    headers: list[tuple[str, str]],
    body: AsyncIterator[bytes] | None,
    policy: str,
) -> Streamed:
    stack = AsyncExitStack()
    passed = await stack.enter_async_context(backend.client.passthrough.open(method, target, headers, body))
    try:
        return Streamed(passed, stack, {"content-security-policy": policy})
    except BaseException:
        await stack.aclose()
        raise


class Streamed(StreamingResponse):
    """An answer that goes through; the connection to ComfyUI ends with it, however it ends."""

    def __init__(self, passed: Passed, stack: AsyncExitStack, more: Mapping[str, str]) -> None:
        super().__init__(passed.chunks, status_code=passed.status)
        pairs = [*passed.headers, *more.items()]
        self.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """End it where it is."""
        await self._stack.aclose()
