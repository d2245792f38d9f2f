"""Every door of the container asks who is there, passes everything on as it came, and says so when nobody answers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.fakes.comfyui import SimulatedComfyUI
from tests.live import LiveServer, free_port
from tests.proxy.echo import echo
from tests.proxy.nginx import BROTLI, Nginx
from tests.web.generating import simulated

HEARTH, COMFYUI, CODE, JUPYTER = 8001, 3001, 8081, 8889
PAGE = {"Accept": "text/html"}


class Site(NamedTuple):
    """Hearth, a ComfyUI and two tools behind nginx."""

    nginx: Nginx
    server: LiveServer
    comfyui: SimulatedComfyUI

    def get(self, port: int, path: str, **headers: str) -> httpx2.Response:
        """Ask as somebody who is not signed in, unless *headers* say otherwise."""
        return httpx2.get(self.nginx.url(port) + path, headers=headers, timeout=20, follow_redirects=False)

    @property
    def bearer(self) -> dict[str, str]:
        """What a program sends that is let in."""
        return {"Authorization": f"Bearer {self.server.token}"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    base = tmp_path_factory.mktemp("proxy")
    (base / "workspace").mkdir()
    with simulated(base / "comfyui") as comfyui, echo() as code, echo() as jupyter:
        # uvicorn itself would take the visitor from X-Forwarded-For and leave nobody to trust; `hearth serve` does not let it.
        server = LiveServer(base / "workspace", COMFYUI_URL=comfyui.url, FORWARDED_ALLOW_IPS="").start()
        try:
            with Nginx(base / "nginx", {8000: server.port, 8080: code, 8888: jupyter}) as nginx:
                _wait(nginx.url(HEARTH) + "/api/health")
                yield Site(nginx, server, comfyui)
        finally:
            server.stop()


@pytest.fixture(scope="module")
def deserted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """Nothing listens behind it."""
    with Nginx(tmp_path_factory.mktemp("deserted") / "nginx", {8000: free_port()}) as nginx:
        _wait(nginx.url(HEARTH))
        yield nginx


def _wait(url: str) -> None:
    for _ in range(2000):
        try:
            httpx2.get(url, timeout=5)
        except httpx2.TransportError:
            continue
        return
    raise AssertionError(f"nobody answers at {url}")


def test_the_dashboard_is_behind_its_port(site: Site) -> None:
    """Pages lead to the sign-in, the API says 401, health needs nobody."""
    assert site.get(HEARTH, "/api/health").status_code == 200
    page = site.get(HEARTH, "/presets", **PAGE)
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=/presets")
    assert site.get(HEARTH, "/api/presets").json()["error"]["code"] == "not_signed_in"
    assert site.get(HEARTH, "/api/presets", **site.bearer).json()["total"] > 100


@pytest.mark.parametrize(
    ("port", "path"),
    [(COMFYUI, "/"), (COMFYUI, "/queue"), (COMFYUI, "/api/prompt"), (CODE, "/"), (CODE, "/x?y=1"), (JUPYTER, "/jupyter/lab"),
     (HEARTH, "/code/"), (HEARTH, "/jupyter/lab"), (HEARTH, "/comfyui/queue")],
)  # fmt: skip
def test_no_door_opens_without_a_sign_in(site: Site, port: int, path: str) -> None:
    """A program is told 401 in the API's own shape, and nothing reaches what lies behind."""
    answer = site.get(port, path, Accept="application/json")
    assert answer.status_code == 401
    assert "path" not in answer.json()
    assert "error" in answer.json()


@pytest.mark.parametrize(
    ("port", "path"), [(COMFYUI, "/"), (CODE, "/a?b=c"), (JUPYTER, "/jupyter/lab"), (HEARTH, "/code/")]
)
def test_a_visitor_is_led_to_the_sign_in_of_the_same_door(site: Site, port: int, path: str) -> None:
    """Where each port has a name of its own, the cookie of another port does not help; so each has its own sign-in."""
    with httpx2.Client(base_url=site.nginx.url(port), headers=PAGE, timeout=20) as visitor:
        asked = visitor.get(path)
        assert asked.status_code == 303
        login = visitor.get(asked.headers["location"])
        assert login.status_code == 200
        assert "password" in login.text
        style = next(part.split('"')[0] for part in login.text.split('href="') if part.startswith("/static/"))
        assert visitor.get(style).status_code == 200
        entered = visitor.post(
            "/login",
            data={"password": site.server.password, "next": path},
            headers={"Origin": site.nginx.url(port), "Sec-Fetch-Site": "same-origin"},
        )
        assert (entered.status_code, entered.headers["location"]) == (303, path)
        assert visitor.get(path).status_code in (200, 404)  # the simulated ComfyUI has no page at /


def test_comfyui_gets_the_address_as_it_was_written(site: Site) -> None:
    """%2F is not a slash in ComfyUI's names of files, and two slashes are one."""
    name = "/userdata/workflows%2Fmine.json"
    put = httpx2.post(site.nginx.url(COMFYUI) + name, json={"a": 1}, headers=site.bearer, timeout=20)
    assert put.status_code == 200
    assert site.get(COMFYUI, name, **site.bearer).json() == {"a": 1}
    assert site.get(COMFYUI, "/api" + name, **site.bearer).json() == {"a": 1}
    assert site.get(COMFYUI, "//queue", **site.bearer).json()["queue_running"] == []


def test_sockets_pass_through_every_door(site: Site) -> None:
    """With a sign-in they are opened, without one the handshake is refused."""
    for port, path in ((HEARTH, "/ws/system"), (COMFYUI, "/ws?clientId=a"), (HEARTH, "/comfyui/ws?clientId=b")):
        address = site.nginx.url(port).replace("http", "ws") + path
        with connect(address, additional_headers=site.bearer) as socket:
            assert json.loads(socket.recv(timeout=10))["type"] in ("snapshot", "status")
        with pytest.raises(InvalidStatus, match="401"):
            connect(address).close()
    for port, path in ((CODE, "/socket"), (JUPYTER, "/jupyter/api/kernels/1/channels"), (HEARTH, "/code/socket")):
        address = site.nginx.url(port).replace("http", "ws") + path
        with connect(address, additional_headers=site.bearer) as socket:
            socket.send("hello")
            assert socket.recv(timeout=10) == "hello"
        with pytest.raises(InvalidStatus, match="401"):
            connect(address).close()


def test_the_tools_are_found_below_the_first_port_too(site: Site) -> None:
    """code-server is given addresses without the prefix, JupyterLab knows itself by it."""
    assert site.get(HEARTH, "/code/a/b?c=d", **site.bearer).json()["path"] == "/a/b?c=d"
    assert site.get(HEARTH, "/jupyter/lab", **site.bearer).json()["path"] == "/jupyter/lab"
    assert site.get(HEARTH, "/code", **site.bearer).headers["location"] == "/code/"
    assert site.get(JUPYTER, "/lab?x=1", **site.bearer).headers["location"] == "/jupyter/lab?x=1"


def test_who_stands_before_is_told_on(site: Site) -> None:
    """A proxy that ends TLS says so, and what lies behind learns the visitor's own address and scheme."""
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Host": "pod.example.org"}
    seen = {name.lower(): value for name, value in site.get(CODE, "/", **site.bearer, **said).json()["headers"].items()}
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-host"] == "pod.example.org"
    assert seen["x-forwarded-for"] == "203.0.113.7, 127.0.0.1"
    entered = httpx2.post(
        site.nginx.url(HEARTH) + "/login",
        data={"password": site.server.password},
        headers={**said, "Origin": "https://pod.example.org"},
        timeout=20,
    )
    assert entered.status_code == 303
    assert all("Secure" in cookie for cookie in entered.headers.get_list("set-cookie"))


def test_writes_by_cookie_from_elsewhere_are_refused(site: Site) -> None:
    """The question to Hearth describes the request, its origin included."""
    with httpx2.Client(base_url=site.nginx.url(CODE), timeout=20) as visitor:
        visitor.post("/login", data={"password": site.server.password}, headers={"Origin": site.nginx.url(CODE)})
        assert visitor.post("/", headers={"Origin": site.nginx.url(CODE)}).status_code != 403
        assert visitor.post("/", headers={"Origin": "https://evil.example"}).status_code == 403


def test_a_scope_below_manage_opens_no_shell(site: Site) -> None:
    """A key that may generate reads the API and gets 403 at code-server and JupyterLab."""
    body = {"name": "proxy test", "scope": "generate"}
    made = httpx2.post(site.nginx.url(HEARTH) + "/api/auth/keys", json=body, headers=site.bearer, timeout=20).json()
    key = {"Authorization": f"Bearer {made['key']}"}
    assert site.get(HEARTH, "/api/presets", **key).status_code == 200
    assert site.get(CODE, "/", **key).status_code == 403
    assert site.get(HEARTH, "/jupyter/lab", **key).status_code == 403


def test_hashed_files_are_handed_out_compressed_and_for_ever(site: Site) -> None:
    """The proxy serves them itself; what does not exist is a 404."""
    login = site.get(HEARTH, "/login", **PAGE).text
    style = next(part.split('"')[0] for part in login.split('href="') if ".css" in part[:80])
    with httpx2.stream(
        "GET", site.nginx.url(HEARTH) + style, headers={"Accept-Encoding": "gzip"}, timeout=20
    ) as answer:
        raw = b"".join(answer.iter_raw())
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-encoding"] == "gzip"
        assert b"--bg-primary" in gzip.decompress(raw)
    assert site.get(HEARTH, "/static/../pyproject.toml").status_code in (400, 404)
    assert site.get(HEARTH, "/static/none.js").status_code == 404


@pytest.mark.skipif(not BROTLI.exists(), reason="this nginx has no brotli")
def test_lists_are_compressed_by_the_better_way_that_is_asked_for(site: Site) -> None:
    """Answers of ComfyUI, which compresses nothing itself, shrink on the way."""
    headers = {**site.bearer, "Accept-Encoding": "br"}
    with httpx2.stream("GET", site.nginx.url(COMFYUI) + "/object_info", headers=headers, timeout=20) as answer:
        assert answer.headers["content-encoding"] == "br"
        assert len(b"".join(answer.iter_raw())) < 300_000


def test_a_large_upload_is_passed_on_while_it_comes(site: Site) -> None:
    """Nothing on the way limits what a program sends; Hearth and ComfyUI have limits of their own."""
    files = {"image": ("big.png", b"\x89PNG\r\n\x1a\n" + bytes(32 * 1024**2), "image/png")}
    answer = httpx2.post(site.nginx.url(COMFYUI) + "/upload/image", files=files, headers=site.bearer, timeout=60)
    assert answer.status_code == 200


def test_nobody_behind_is_said_kindly(deserted: Nginx) -> None:
    """A page that looks again by itself for people, an error with a code for programs; never a bare 502."""
    for port, path in ((HEARTH, "/"), (COMFYUI, "/"), (CODE, "/"), (JUPYTER, "/jupyter/")):
        page = httpx2.get(deserted.url(port) + path, headers=PAGE, timeout=20)
        assert (page.status_code, page.headers["retry-after"]) == (503, "2")
        assert 'http-equiv="refresh"' in page.text
        told = httpx2.get(deserted.url(port) + path, headers={"Accept": "*/*"}, timeout=20)
        assert told.status_code == 503
        assert told.json()["error"]["code"] == "starting"


def test_a_tool_that_does_not_run_is_named(tmp_path: Path, site: Site) -> None:
    """Hearth answers and code-server does not: the page says that it is not here."""
    with Nginx(tmp_path / "nginx", {8000: site.server.port, 8080: free_port()}) as nginx:
        _wait(nginx.url(HEARTH) + "/api/health")
        answer = httpx2.get(nginx.url(CODE) + "/", headers=site.bearer, timeout=20)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "service_absent")
