"""Signing in and out by form; works without scripts."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from backend.auth import (
    DEVICE_COOKIE,
    Credentials,
    CrossSiteRequest,
    NotASession,
    NotSignedIn,
    Sender,
    TooManyAttempts,
    WrongPassword,
    cleared_session_cookie,
    device_cookie,
    sender_of,
    session_cookie,
)
from backend.web.contexts import LoginPage
from backend.web.identity import Keeper, ServicesDep, safe_next
from backend.web.rendering import render_bare

router = APIRouter(include_in_schema=False)


@router.get("/login")
async def show_login(request: Request, services: ServicesDep) -> Response:
    """Ask for the password; who is signed in goes on at once."""
    next_url = safe_next(request.query_params.get("next", ""))
    try:
        await services.auth.identify(Credentials.from_scope(request.scope))
    except NotSignedIn:
        return await render_bare(request, services, LoginPage(next_url=next_url, problem="", wait_s=0))
    return RedirectResponse(next_url, status_code=303)


@router.post("/login")
async def sign_in(
    request: Request,
    services: ServicesDep,
    password: Annotated[str, Form()] = "",
    next_url: Annotated[str, Form(alias="next")] = "",
) -> Response:
    """Check the password and open the page that was asked for."""
    # Another site must not sign its visitors in to somebody else's Hearth.
    if sender_of(Credentials.from_scope(request.scope)) is Sender.FOREIGN_PAGE:
        raise CrossSiteRequest("The sign-in was sent from a page that is not part of Hearth.")
    target = safe_next(next_url)
    try:
        entered = await services.auth.login(
            password,
            client=request.client.host if request.client else "",
            agent=request.headers.get("User-Agent", ""),
            device=request.cookies.get(DEVICE_COOKIE),
        )
    except WrongPassword as error:
        page = LoginPage(next_url=target, problem="That password is not right.", wait_s=0)
        return await render_bare(request, services, page, status=error.status)
    except TooManyAttempts as error:
        wait_s = _seconds(error)
        page = LoginPage(next_url=target, problem="Too many wrong passwords came from here.", wait_s=wait_s)
        headers = {"Retry-After": str(wait_s)}
        return await render_bare(request, services, page, status=error.status, headers=headers)
    response = RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})
    secure = request.url.scheme == "https"
    response.headers.append("Set-Cookie", session_cookie(entered.access_token, secure=secure))
    response.headers.append("Set-Cookie", device_cookie(entered.device_token, secure=secure))
    return response


@router.post("/logout")
async def sign_out(request: Request, services: ServicesDep, who: Keeper) -> Response:
    """End the sign-in of this browser."""
    with suppress(NotASession):  # a key was used: there is nothing to end
        await services.auth.logout(who)
    response = RedirectResponse("/login", status_code=303)
    response.headers.append("Set-Cookie", cleared_session_cookie(secure=request.url.scheme == "https"))
    return response


def _seconds(error: TooManyAttempts) -> int:
    wait_s = error.details.get("retry_after_s")
    return max(1, math.ceil(wait_s)) if isinstance(wait_s, (int, float)) else 1
