"""Doors are built when somebody knocks, and nobody can tell."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections.abc import Callable
from types import ModuleType

import pytest
from fastapi import FastAPI

import backend.api
from backend.api.parts import Part, every_route
from tests.conftest import client_of, running

pytestmark = pytest.mark.anyio

# The main door is made of these; what lies below is put together by them.
_ALWAYS = {"backend.api.health", "backend.api.documentation"}
_KNOCKS = [
    ("GET", "/api/health"),
    ("GET", "/api/auth/login"),  # is there, but is a POST
    ("GET", "/login"),
    ("GET", "/login/"),
    ("GET", "/nowhere"),
    ("POST", "/api/presets/x/download"),
    ("GET", "/openapi.json"),
]


def _parts(app: FastAPI) -> list[Part]:
    return [route for route in app.routes if isinstance(route, Part)]


def _with_routes(package: ModuleType) -> set[str]:
    """Name the modules of *package* that hold routes."""
    names = {module.name for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")}
    return {name for name in names if hasattr(importlib.import_module(name), "router")}


def test_no_file_with_endpoints_is_forgotten() -> None:
    """Whoever adds one learns here that it needs a line in the list of parts."""
    assert _with_routes(backend.api) - _ALWAYS == set(backend.api.PARTS)


def test_no_route_lies_outside_of_its_part(make_app: Callable[..., FastAPI]) -> None:
    """There it would be found only after somebody has asked for one of the others."""
    app = make_app()
    outside: list[str] = []
    for part in _parts(app):
        for route in part.routes():
            scope = {"type": "http", "path": getattr(route, "path")}  # noqa: B009 -- routes of every kind have one
            if part.matches(scope)[0].value == 0:
                outside.append(scope["path"])

    assert outside == []


def test_whoever_asks_for_every_route_gets_them(make_app: Callable[..., FastAPI]) -> None:
    """For the documentation: nothing is left that stands for something else."""
    app = make_app()

    assert _parts(app)
    assert not any(isinstance(route, Part) for route in every_route(app))
    assert not _parts(app)


async def test_the_first_knock_is_answered_like_every_other(make_app: Callable[..., FastAPI]) -> None:
    """Whatever it asks for, right or wrong; and only what was asked for is built."""
    fresh, built = make_app(), make_app()
    every_route(built)
    async with running(fresh), client_of(fresh) as first:
        before = len(_parts(fresh))
        answers = {path: (await first.request(method, path)).status_code for method, path in _KNOCKS}
        assert len(_parts(fresh)) < before
    async with running(built), client_of(built) as second:
        assert {path: (await second.request(method, path)).status_code for method, path in _KNOCKS} == answers


async def test_the_knocks_of_one_moment_build_once(app: FastAPI) -> None:
    """Several may come before the routes are there."""
    async with client_of(app) as client:
        answers = await asyncio.gather(*(client.get("/login") for _ in range(5)))

    assert [answer.status_code for answer in answers] == [200] * 5
    paths = [getattr(route, "path", None) for route in app.routes]
    assert paths.count("/gallery") == 1
