"""The log of a service over a WebSocket: its last lines, then every new one, for those who may read, as long as they may."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.fakes.s6 import S6Tree, wait_until
from tests.live import LiveServer

pytestmark = pytest.mark.anyio

_DEADLINE_S = 20


@pytest.fixture
def tree(tmp_path: Path, workspace: Path) -> Iterator[S6Tree]:
    """A ComfyUI that writes what the test puts into a file."""
    tree = S6Tree(tmp_path / "run", workspace)
    (tmp_path / "said").touch()
    log = workspace / "logs" / "comfyui" / "current"
    tree.add("comfyui", f"echo started; exec tail -n +1 -f '{tmp_path}/said'")
    with tree:
        wait_until(lambda: log.exists() and b"started" in log.read_bytes())
        yield tree


@pytest.fixture
def server(make_live_server: Callable[..., LiveServer], tree: S6Tree) -> LiveServer:
    return make_live_server(HEARTH_RUN_DIR=str(tree.run))


def address(server: LiveServer, path: str = "/ws/system/services/comfyui/logs", query: str = "") -> str:
    return f"{server.url.replace('http', 'ws')}{path}{query}"


def signed_in(server: LiveServer) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}"}


async def frame(client: ClientConnection) -> Any:
    async with asyncio.timeout(_DEADLINE_S):
        return json.loads(await client.recv())


async def lines_until(client: ClientConnection, last: str) -> list[str]:
    lines: list[str] = []
    while last not in lines:
        lines += [line["text"] for line in (await frame(client))["data"]["lines"]]
    return lines


def say(tmp_path: Path, *lines: str) -> None:
    with (tmp_path / "said").open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


async def test_the_last_lines_come_first_and_then_every_new_one(server: LiveServer, tmp_path: Path) -> None:
    """Over rotations too; each with its time and level."""
    async with connect(address(server), additional_headers=signed_in(server)) as client:
        first = await frame(client)
        assert (first["topic"], first["type"], first["key"]) == ("logs", "snapshot", "comfyui")
        assert [line["text"] for line in first["data"]["lines"]] == ["started"]
        sent = [f"line {n} {'x' * 80}" for n in range(300)]
        await asyncio.to_thread(say, tmp_path, *sent, "[ERROR] the end")
        assert await lines_until(client, "[ERROR] the end") == [*sent, "[ERROR] the end"]
    async with connect(address(server, query="?lines=1"), additional_headers=signed_in(server)) as client:
        [line] = (await frame(client))["data"]["lines"]
        assert (line["level"], line["text"]) == ("error", "[ERROR] the end")
        assert line["at"] is not None


async def test_nobody_reads_without_showing_who_they_are(server: LiveServer) -> None:
    """Programs get the answer of HTTP, pages a close code; a service that does not exist is 404."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(address(server))
    assert refused.value.response.status_code == 401
    async with connect(address(server), origin=server.url) as page:  # type: ignore[arg-type]
        with pytest.raises(ConnectionClosed) as closed:
            await frame(page)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
    with pytest.raises(InvalidStatus) as missing:
        await connect(address(server, "/ws/system/services/nothing/logs"), additional_headers=signed_in(server))
    assert missing.value.response.status_code == 404


async def test_a_sign_in_that_ends_takes_its_log_along(server: LiveServer) -> None:
    """Within a second or so."""
    async with connect(address(server), additional_headers=signed_in(server)) as client:
        await frame(client)
        with server.client() as http:
            await asyncio.to_thread(http.post, "/api/auth/logout")
        with pytest.raises(ConnectionClosed) as closed:
            await frame(client)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
