"""The Compose files: valid in every combination, and the plain one works as it stands."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import httpx2
import pytest

from tests.images.build import Images
from tests.images.engine import Engine
from tests.live import free_port
from tests.secret_watch import secret

_OVERLAYS = ("gpu", "amdgpu", "api", "data")


def _files(*overlays: str) -> list[str]:
    names = ["docker-compose.yaml", *(f"docker-compose.{each}.yaml" for each in overlays)]
    return [part for name in names for part in ("-f", name)]


@pytest.mark.parametrize(
    "overlays",
    [(), *((each,) for each in _OVERLAYS), *itertools.combinations(_OVERLAYS, 2), ("gpu", "api", "data")],
    ids=str,
)
def test_every_combination_is_valid(buildx: Engine, overlays: tuple[str, ...]) -> None:
    """Overlays add; none needs another."""
    done = buildx.run("compose", *_files(*overlays), "config", "--format", "json")
    service = json.loads(done.stdout)["services"]["hearth"]

    assert service["restart"] == "unless-stopped"
    assert ("deploy" in service) == ("gpu" in overlays)
    assert len(service["ports"]) == (4 if "api" in overlays else 1)
    assert all(port["host_ip"] == "127.0.0.1" for port in service["ports"])


@pytest.fixture
def project(engine: Engine, images: Images) -> Iterator[dict[str, str]]:
    """The variables of a project of our own, which is taken down with its volume."""
    image, tag = images.tag("minimal").split(":")
    environ = {
        "HEARTH_IMAGE": image, "HEARTH_TAG": tag, "HEARTH_PORT": str(free_port()), "COMPOSE_PROJECT_NAME": "hearth-test-compose",
        "ACCESS_PASSWORD": secret("access password"),
    }  # fmt: skip
    yield environ
    engine.run("compose", "down", "-v", "-t", "20", check=False, **environ)


def test_up_and_wait_is_all_it_takes(engine: Engine, project: dict[str, str]) -> None:
    """``docker compose up -d --wait`` comes back when the dashboard answers."""
    engine.run("compose", "up", "-d", "--wait", "--no-build", **project)
    address = f"http://127.0.0.1:{project['HEARTH_PORT']}"

    assert httpx2.get(f"{address}/api/health", timeout=10).status_code == 200
    login = httpx2.post(f"{address}/api/auth/login", json={"password": project["ACCESS_PASSWORD"]}, timeout=20)
    assert login.status_code == 200
