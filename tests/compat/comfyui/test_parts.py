"""Addresses as ComfyUI would read them, and what waits for a slow reader."""

from __future__ import annotations

import json

import pytest

from backend.auth import Scope
from backend.compat.comfyui import frames
from backend.compat.comfyui.address import Address
from backend.compat.comfyui.outbox import Outbox

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("raw", "path", "target"),
    [
        ("/comfyui", "/", "/"),
        ("/comfyui/", "/", "/"),
        ("/comfyui//prompt", "/prompt", "/prompt"),
        ("/comfyui/api/prompt", "/prompt", "/api/prompt"),
        ("/comfyui/api//history//x", "/history/x", "/api/history/x"),
        ("/comfyui/api/jobs/x", "/api/jobs/x", "/api/jobs/x"),
        (
            "/comfyui/userdata/workflows%2Fa%20b.json",
            "/userdata/workflows/a b.json",
            "/userdata/workflows%2Fa%20b.json",
        ),
    ],
)
def test_an_address(raw: str, path: str, target: str) -> None:
    """Slashes are collapsed, twins are one; what goes on is encoded as it came."""
    address = Address.of(raw.encode(), b"")

    assert (address.path, address.target) == (path, target)


def test_the_token_goes_no_further() -> None:
    """Everything else of the query does, as it was written."""
    address = Address.of(b"/comfyui/view", b"filename=a%20b.png&token=secret&type=output&token=other")

    assert address.target == "/view?filename=a%20b.png&type=output"


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/object_info", Scope.READ), ("HEAD", "/view", Scope.READ), ("GET", "/assets/a.js", Scope.READ),
        ("GET", "/settings", Scope.GENERATE), ("GET", "/userdata/a.json", Scope.GENERATE),
        ("POST", "/prompt", Scope.GENERATE), ("POST", "/api/jobs/x/cancel", Scope.GENERATE),
        ("POST", "/upload/image", Scope.GENERATE), ("POST", "/free", Scope.MANAGE), ("DELETE", "/queue", Scope.MANAGE),
        ("POST", "/userdata/a.json", Scope.MANAGE), ("POST", "/settings", Scope.MANAGE),
        ("GET", "/manager/reboot", Scope.MANAGE), ("GET", "/api/assets", Scope.MANAGE),
    ],
)  # fmt: skip
def test_what_is_needed(method: str, path: str, scope: Scope) -> None:
    """Looking needs the least; what nobody here knows needs the most."""
    assert Address.of(b"/comfyui" + path.encode(), b"").scope(method) is scope


async def test_a_slow_reader_loses_steps_and_nothing_else() -> None:
    """The oldest steps go first; what lasts keeps its order."""
    outbox = Outbox()
    for number in range(1000):
        outbox.put(f"step {number}", passing=True)
        if number % 100 == 0:
            outbox.put(f"node {number}")
    outbox.put("end")
    heard: list[str] = []
    while not heard or heard[-1] != "end":
        heard.append(str(await outbox.next()))

    assert [each for each in heard if each.startswith("node")] == [f"node {number}" for number in range(0, 1000, 100)]
    steps = [each for each in heard if each.startswith("step")]
    assert len(steps) == 64
    assert steps[-1] == "step 999"
    assert not outbox.is_full


def test_a_reader_that_does_not_read_at_all_is_noticed() -> None:
    """Nothing grows without end."""
    outbox = Outbox()
    for number in range(5000):
        outbox.put(f"node {number}")

    assert outbox.is_full


def test_ids_are_exchanged_in_every_kind_of_frame() -> None:
    """In text, and in the head of a preview; the picture itself is left alone."""
    assert frames.renamed('{"prompt_id": "old-id"}', "old-id", "new") == '{"prompt_id": "new"}'
    head = json.dumps({"prompt_id": "old-id", "node_id": "1"}).encode()
    frame = (4).to_bytes(4, "big") + len(head).to_bytes(4, "big") + head + b"old-id"
    changed = frames.renamed(frame, "old-id", "new-and-longer")
    assert isinstance(changed, bytes)
    length = int.from_bytes(changed[4:8], "big")
    assert json.loads(changed[8 : 8 + length])["prompt_id"] == "new-and-longer"
    assert changed[8 + length :] == b"old-id"
    assert frames.renamed(b"\0\0\0\1\0\0\0\1old-id", "old-id", "new") == b"\0\0\0\1\0\0\0\1old-id"
