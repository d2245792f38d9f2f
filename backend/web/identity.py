"""Who asks for a page; the rule is that of the API, the answer is the sign-in page instead of an error."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from backend.auth import Credentials, Identity, Scope, ScopeMissing
from backend.bootstrap import Services

HOME = "/"
_NEXT_LENGTH = 2000


def services_of(request: Request) -> Services:
    """Return everything that the lifespan opened."""
    return request.state.services


async def _visitor(request: Request) -> Identity:
    who = await services_of(request).auth.identify(Credentials.from_scope(request.scope))
    if not who.scope.includes(Scope.READ):
        raise ScopeMissing("This key may not read.")
    return who


async def _maker(request: Request) -> Identity:
    who = await services_of(request).auth.identify(Credentials.from_scope(request.scope))
    if not who.scope.includes(Scope.GENERATE):
        raise ScopeMissing("This key may look, but not make anything.")
    return who


async def _keeper(request: Request) -> Identity:
    who = await services_of(request).auth.identify(Credentials.from_scope(request.scope))
    if not who.scope.includes(Scope.MANAGE):
        raise ScopeMissing("This key may look, but not change anything.")
    return who


ServicesDep = Annotated[Services, Depends(services_of)]
Visitor = Annotated[Identity, Depends(_visitor)]
Maker = Annotated[Identity, Depends(_maker)]
Keeper = Annotated[Identity, Depends(_keeper)]


def safe_next(url: str) -> str:
    """Return *url* when it is a page of this site, else the first page.

    Browsers read two slashes of either kind at the start, and control characters in between, as the way to another site.
    """
    url = url[:_NEXT_LENGTH]
    if not url.startswith("/") or url[1:2] in ("/", "\\") or any(ord(c) < 0x21 or c == "\\" for c in url):
        return HOME
    path = urlsplit(url).path
    return HOME if path in ("/login", "/logout") else url


def ask_to_sign_in(request: Request) -> Response:
    """Send the visitor to the sign-in page and back afterwards."""
    if request.headers.get("HX-Request") == "true":
        page = urlsplit(request.headers.get("HX-Current-URL", ""))
        here = f"{page.path}?{page.query}" if page.query else page.path
        return Response(status_code=401, headers={"HX-Redirect": _sign_in_url(here), "Cache-Control": "no-store"})
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.method not in ("GET", "HEAD"):
        here = HOME
    return RedirectResponse(_sign_in_url(here), status_code=303, headers={"Cache-Control": "no-store"})


def _sign_in_url(here: str) -> str:
    target = safe_next(here)
    return "/login" if target == HOME else f"/login?next={quote(target, safe='/')}"
