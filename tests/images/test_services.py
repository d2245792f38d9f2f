"""Every process may die: s6 brings it back, the others do not notice, and Hearth says what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.images.build import Images
from tests.images.container import Container
from tests.images.engine import Engine

_SERVICES = ("nginx", "hearth", "comfyui")
_RUN = "/run/hearth/services"


@pytest.fixture(scope="module")
def container(engine: Engine, images: Images) -> Iterator[Container]:
    """A container whose services may be killed."""
    with Container(engine, images.tag("minimal")) as container:
        container.wait_for_comfyui()
        yield container


def _pid(container: Container, service: str) -> int:
    """Return the process id of a service, 0 while it is down."""
    return int(container.sh(f"s6-svstat -o pid {_RUN}/{service}").replace("-1", "0"))


def _pids(container: Container) -> dict[str, int]:
    return {service: _pid(container, service) for service in _SERVICES}


@pytest.mark.parametrize("service", _SERVICES)
def test_a_killed_service_comes_back_and_the_others_do_not_notice(container: Container, service: str) -> None:
    """SIGKILL, as the kernel sends it when memory ends."""
    container.wait_for_comfyui()
    before = _pids(container)
    container.sh(f"kill -9 {before[service]}")
    container.wait(lambda: _pid(container, service) not in (0, before[service]), f"{service} again")
    container.wait_for_comfyui()
    after = _pids(container)

    assert {name for name in _SERVICES if before[name] != after[name]} == {service}


def test_nothing_is_left_of_what_ended(container: Container) -> None:
    """No zombies: s6 reaps what loses its parent."""
    container.sh("sh -c 'sh -c \"exit 3\" & exit 0'")
    states = "cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | cut -c1"

    container.wait(lambda: "Z" not in container.sh(states), "the end of zombies", 20)


def test_hearth_tells_and_steers_the_services(container: Container) -> None:
    """Listed with their state; a restart by the API gives ComfyUI a new process and Hearth none."""
    container.wait_for_comfyui()
    listed = {each["name"]: each for each in container.api("/api/system/services").json()["items"]}
    before = _pids(container)

    assert set(listed) >= set(_SERVICES)
    answer = container.api("/api/system/services/comfyui/restart", "POST")
    assert answer.status_code in (200, 202)
    container.wait(lambda: _pid(container, "comfyui") not in (0, before["comfyui"]), "another ComfyUI")
    container.wait_for_comfyui()
    assert _pid(container, "hearth") == before["hearth"]


def test_a_node_that_fails_does_not_stop_the_start(container: Container) -> None:
    """ComfyUI comes up without it, and the start-up report names it and what it misses."""
    uid = container.sh("stat -c %u /workspace")
    node = "/workspace/ComfyUI/custom_nodes/broken"
    container.sh(f"mkdir -p {node} && echo 'import nowhere_to_be_found' >{node}/__init__.py", user=uid)
    container.api("/api/system/services/comfyui/restart", "POST")
    container.wait(lambda: "IMPORT FAILED" in container.logs(), "the failed import")
    container.wait_for_comfyui()

    report = container.wait(lambda: container.api("/api/startup").text, "a report")
    container.wait(lambda: "nowhere_to_be_found" in container.api("/api/startup").text, f"the node in {report}", 20)


def test_logs_are_kept_on_the_volume(container: Container) -> None:
    """One folder for each service, which survives the container."""
    for service in _SERVICES:
        assert container.sh(f"test -e /workspace/logs/{service}/current && echo there") == "there"


def test_a_service_that_is_switched_off_is_not_there(engine: Engine, images: Images) -> None:
    """In dev, code-server and JupyterLab are there unless ``ENABLE_*`` says otherwise."""
    with Container(engine, images.tag("dev"), ENABLE_JUPYTERLAB="false") as container:
        container.wait_for_hearth()
        assert "jupyter" not in container.sh(f"ls {_RUN}").split()


def test_jupyter_is_behind_its_door(running: Callable[[str], Container]) -> None:
    """Signed in, its API answers on its port and below the path."""
    container = running("dev")
    headers = {"Authorization": f"Bearer {container.token}"}
    for port in (8889, 8001):
        container.wait(
            lambda port=port: container.get(port, "/jupyter/api", headers=headers).status_code == 200, "JupyterLab", 120
        )
        assert "version" in container.get(port, "/jupyter/api", headers=headers).json()
