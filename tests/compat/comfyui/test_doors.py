"""Who may do what at which address, and how somebody shows who they are."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.compat.comfyui.graphs import save
from tests.compat.comfyui.speaker import Speaker
from tests.compat.house import House
from tests.secret_watch import secret

_EVERYTHING = [
    ("GET", "/"), ("GET", "/prompt"), ("GET", "/api/prompt"), ("POST", "/prompt"), ("POST", "/api/prompt"),
    ("GET", "/queue"), ("POST", "/queue"), ("GET", "/history"), ("POST", "/history"), ("GET", "/history/x"),
    ("POST", "/interrupt"), ("POST", "/free"), ("GET", "/view?filename=x"), ("POST", "/upload/image"),
    ("POST", "/upload/mask"), ("GET", "/object_info"), ("GET", "/object_info/SaveImage"), ("GET", "/system_stats"),
    ("GET", "/features"), ("GET", "/models"), ("GET", "/models/checkpoints"), ("GET", "/embeddings"),
    ("GET", "/extensions"), ("GET", "/settings"), ("POST", "/settings"), ("GET", "/users"), ("POST", "/users"),
    ("GET", "/userdata?dir=."), ("POST", "/userdata/x"), ("DELETE", "/userdata/x"), ("GET", "/i18n"),
    ("GET", "/internal/logs"), ("GET", "/experiment/models/preview/checkpoints/0/x"), ("GET", "/templates/index.json"),
    ("GET", "/api/jobs"), ("GET", "/scripts/app.js"), ("PUT", "/whatever"), ("OPTIONS", "/prompt"),
]  # fmt: skip


def test_every_door_asks(house: House, base: str) -> None:
    """401 before the body is looked at, whatever the address and whatever its slashes."""
    nobody = Speaker(base, secret("forged token", "hearth_"))
    for method, path in _EVERYTHING:
        for address in (path, f"/{path}", f"//api{path}"):
            status, _ = nobody.ask(address, b"{" if method != "GET" else None, method=method)
            assert status == 401, (method, address, status)
    for query in ("", f"?token={secret('forged token', 'hearth_')}"):
        with pytest.raises(InvalidStatus) as refused, connect(f"{base.replace('http', 'ws', 1)}/ws{query}"):
            pass
        assert refused.value.response.status_code == 401
    assert house.comfyui.prompts == []


def test_every_way_to_show_who_one_is(house: House, base: str) -> None:
    """Bearer, X-API-Key, Basic with the key as password, the cookie of the sign-in; a token in two addresses only."""
    key = house.key
    basic = base64.b64encode(f"anybody:{key}".encode()).decode()
    for headers in (
        {"Authorization": f"Bearer {key}"}, {"X-API-Key": key}, {"Authorization": f"Basic {basic}"},
        {"Cookie": f"hearth_session={house.token}"},
    ):  # fmt: skip
        speaker = Speaker(base, "")
        speaker.headers = headers
        assert speaker.ask("/prompt")[0] == 200
        name = base.replace("http", "ws", 1)
        own_page = {"Origin": house.url} if "Cookie" in headers else {}
        with connect(f"{name}/ws?clientId=a", additional_headers={**headers, **own_page}) as socket:
            assert json.loads(socket.recv(10))["data"]["sid"] == "a"
    speaker = Speaker(base, "")
    speaker.headers = {}
    with connect(f"{base.replace('http', 'ws', 1)}/ws?token={key}&clientId=b") as socket:
        assert json.loads(socket.recv(10))["data"]["sid"] == "b"
    assert speaker.ask(f"/view?filename=none.png&type=output&token={key}")[0] == 404
    assert speaker.ask(f"/prompt?token={key}")[0] == 401
    assert speaker.ask(f"/object_info?token={key}")[0] == 401


def test_a_foreign_page_can_do_nothing_with_the_cookie(house: House, base: str) -> None:
    """Neither post nor listen."""
    speaker = Speaker(base, "")
    speaker.headers = {"Cookie": f"hearth_session={house.token}", "Origin": "http://evil.test"}

    assert speaker.ask("/prompt", {"prompt": save()})[0] == 403
    address = f"{base.replace('http', 'ws', 1)}/ws"
    with connect(address, additional_headers=speaker.headers) as socket, pytest.raises(Exception, match="4403"):
        socket.recv(10)


@pytest.mark.parametrize(
    "path",
    [
        "/internal/logs", "/internal/folder_paths", "/api/internal/logs", "//internal//logs", "/%69nternal/logs",
        "/experiment/models/preview/checkpoints/0/x.safetensors", "/api/experiment/models/preview/a/0/..%2f..%2fb",
        "/models/..%2finternal/logs", "/userdata/..%2f..%2fsecret",
    ],
)  # fmt: skip
def test_closed_routes_are_closed_for_everybody(owner: Speaker, house: House, path: str) -> None:
    """403 with our own error, and ComfyUI is not asked."""
    before = len(house.comfyui.requests)
    status, body = owner.ask(path)

    assert status == 403
    assert json.loads(body)["error"]["code"] == "closed_route"
    assert not any("internal" in seen.path or "preview" in seen.path for seen in house.comfyui.requests[before:])


def test_what_needs_more_than_generating(ada: Speaker, owner: Speaker, house: House) -> None:
    """Memory, settings and files of the web page are the keepers'; so is what nobody here knows."""
    for path in ("/free", "/settings/a", "/userdata/a.json", "/users", "/manager/reboot", "/api/userdata/b.json"):
        status, body = ada.ask(path, {})
        assert (status, json.loads(body)["error"]["code"]) == (403, "scope_missing"), path
    assert ada.ask("/manager/reboot")[0] == 403
    assert owner.ask("/free", {"unload_models": True, "free_memory": True})[0] == 200
    assert house.comfyui.site.worker.frees


def test_a_key_that_may_only_read(house: House, base: str) -> None:
    """It looks and changes nothing."""
    reader = Speaker(base, house.new_key("read"))

    assert reader.ask("/object_info")[0] == 200
    assert reader.ask("/prompt", {"prompt": save()})[0] == 403
    assert reader.ask("/interrupt", {})[0] == 403
    assert reader.ask("/upload/image", b"x")[0] == 403


def test_slashes_and_twins(ada: Speaker) -> None:
    """Base addresses with a slash at the end lead to double slashes; every route has a twin below /api."""
    for path in ("/object_info/SaveImage", "//object_info/SaveImage", "/api/object_info/SaveImage"):
        assert "SaveImage" in ada.json(path)
    assert ada.json("//api//prompt") == {"exec_info": {"queue_remaining": 0}}


def test_what_is_passed_on_says_nothing_of_the_user(ada: Speaker, house: House) -> None:
    """No key, no cookie, no origin goes to ComfyUI, and no cookie comes from there."""
    before = len(house.comfyui.requests)
    ada.ask("/system_stats", Cookie="a=b", Origin=house.url, Referer=house.url)
    [seen] = [seen for seen in house.comfyui.requests[before:] if seen.path == "/system_stats"]

    headers = {name.lower() for name in seen.headers}
    assert not headers & {"authorization", "cookie", "origin", "referer"}


def test_the_first_page_asks_people_to_sign_in(house: House, base: str) -> None:
    """A browser without a sign-in is led to it and back; the page then comes from ComfyUI."""
    speaker = Speaker(base, house.token)
    status, _ = speaker.ask("/system_stats")
    assert status == 200
    answer = httpx2.get(f"{base}/", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/comfyui/")
    with house.client(house.token) as client:
        answer = client.get("/comfyui")
        assert (answer.status_code, answer.headers["location"]) == (307, "/comfyui/")


def test_a_large_body_goes_through_in_pieces(owner: Speaker, house: House, tmp_path: Path) -> None:
    """Userdata of several megabytes arrives whole."""
    content = b"[" + b"1," * 2_000_000 + b"1]"

    assert owner.ask("/userdata/large.json", content)[0] == 200
    assert owner.ask("/userdata/large.json")[1] == content
