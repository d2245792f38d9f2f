"""Every door asks who is there; behind it everything works as it does without one."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.images.container import PORTS, Container

Running = Callable[[str], Container]


@pytest.mark.parametrize("port", PORTS)
def test_no_door_opens_without_a_login(running: Running, variant: str, port: int) -> None:
    """A browser is led to the login, a program gets 401; neither sees anything."""
    container = running(variant)
    program = container.get(port, "/", headers={"Accept": "application/json"})
    browser = container.get(port, "/", headers={"Accept": "text/html"})

    assert program.status_code in (302, 303, 307, 401)
    assert browser.status_code in (302, 303, 307)
    assert "ComfyUI stands here" not in browser.text


@pytest.mark.parametrize(
    "path",
    [
        "/comfyui/",
        "/comfyui/system_stats",
        "/comfyui/prompt",
        "/code/",
        "/jupyter/",
        "/api/system/services",
        "/api/presets",
    ],
)
def test_no_path_of_the_one_port_opens_without_a_login(running: Running, variant: str, path: str) -> None:
    """For hosts that publish one port."""
    answer = running(variant).get(8001, path, headers={"Accept": "application/json"})

    assert answer.status_code in (302, 303, 307, 401)


def test_only_the_doors_listen_outside(running: Running, variant: str) -> None:
    """Whatever is behind them listens on the loopback interface."""
    script = "cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == \"0A\" {print $2}'"
    listening = [line.split(":") for line in running(variant).sh(script).splitlines()]
    outside = {
        int(port, 16) for address, port in listening if address not in ("0100007F", "00000000000000000000000001000000")
    }

    assert outside <= set(PORTS)


def test_comfyui_is_behind_its_door(running: Running, variant: str) -> None:
    """Signed in, the page and the API answer on its port and below the path."""
    container = running(variant)
    headers = {"Authorization": f"Bearer {container.token}"}

    assert "ComfyUI" in container.get(3001, "/", headers=headers).text
    for port, path in ((3001, "/system_stats"), (8001, "/comfyui/system_stats")):
        assert "comfyui_version" in container.get(port, path, headers=headers).json()["system"]


def test_comfyuis_socket_works_through_the_door(running: Running, variant: str) -> None:
    """Its first frame arrives; without a login the handshake is refused."""
    container = running(variant)
    address = container.url(3001, "/ws?clientId=test").replace("http", "ws")
    with connect(address, additional_headers={"Authorization": f"Bearer {container.token}"}) as socket:
        assert json.loads(socket.recv(timeout=10))["type"] in ("status", "feature_flags")
    with pytest.raises(InvalidStatus), connect(address):
        pass


def test_an_upload_of_any_size_passes(running: Running) -> None:
    """Nothing is cut at the megabyte that nginx begins with."""
    container = running("minimal")
    headers = {"Authorization": f"Bearer {container.token}"}
    answer = httpx2.post(
        container.url(3001, "/upload/image"),
        headers=headers,
        timeout=60,
        files={"image": ("big.png", b"\x89PNG" + bytes(20_000_000))},
    )

    assert answer.status_code == 200
    assert container.sh("find /workspace -type f -size 20000004c | wc -l") == "1"


def test_static_files_are_small_and_stay_in_the_cache(running: Running) -> None:
    """Compressed, and immutable: their name changes with their content."""
    container = running("minimal")
    page = container.get(8001, "/login", headers={"Accept": "text/html"}).text
    script = next(part.split('"')[0] for part in page.split('src="') if part.startswith("/static"))
    answer = container.get(8001, script, headers={"Accept-Encoding": "gzip"})

    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
