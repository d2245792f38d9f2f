"""Roadmap 3.1: the application starts as written there, answers JSON, asks who is there, and accepts WebSockets."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from tests.live import LiveServer, free_port
from tests.roadmap import Answer, arguments, curl, wscat
from tests.secret_watch import LOGS, watch

_ROOT = Path(__file__).parent.parent
_LOGIN = """curl -X POST http://localhost:8000/api/auth/login -d '{"password":"test"}'"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the password of the roadmap's example."""
    server = LiveServer(tmp_path_factory.mktemp("workspace"), ACCESS_PASSWORD="test")
    server.password = "test"
    yield server.start()
    server.stop()


def test_uvicorn_starts_it_on_every_interface(workspace: Path) -> None:
    """``uvicorn backend.main:app --host 0.0.0.0 --port …`` from the repository root is all it takes."""
    port = free_port()
    command = [sys.executable, *f"-m uvicorn backend.main:app --host 0.0.0.0 --port {port}".split()]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(workspace), "WORKSPACE": str(workspace), "ACCESS_PASSWORD": "test"}
    with (LOGS / f"uvicorn-{port}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=_ROOT, env=environ, stdout=log, stderr=log)
    try:
        answer = _first_answer(f"http://127.0.0.1:{port}/api/health")
        assert answer.json()["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()


def test_health_answers_without_a_sign_in(server: LiveServer) -> None:
    """``curl http://localhost:8000/api/health``."""
    answer = curl("curl http://localhost:8000/api/health", server)

    assert answer.status == 200
    assert answer.json()["status"] == "ok"


def test_the_login_line_of_the_roadmap_works_as_it_stands(server: LiveServer) -> None:
    """The JSON that curl calls a form is understood; a token and a cookie come back."""
    answer = curl(_LOGIN, server)
    token = watch("session token", answer.json()["access_token"])

    assert answer.status == 200
    assert answer.json()["token_type"] == "bearer"
    assert token.count(".") == 2, "a JWT has three parts"
    assert "httponly" in answer.headers["set-cookie"].lower()
    listed = curl('curl -H "Authorization: Bearer {token}" http://localhost:8000/api/presets', server, token=token)
    assert listed.status == 200


def test_a_wrong_password_is_refused_in_the_one_error_shape(server: LiveServer) -> None:
    """401 with code, message and hint."""
    answer = curl("""curl -X POST http://localhost:8000/api/auth/login -d '{"password":"guess"}'""", server)

    assert answer.status == 401
    assert answer.json()["error"].keys() >= {"code", "message", "hint"}


def test_nobody_reads_without_a_sign_in(server: LiveServer) -> None:
    """Also the documentation asks."""
    for path in ("/api/presets", "/api/downloads", "/docs", "/openapi.json", "/api/does-not-exist"):
        assert curl(f"curl http://localhost:8000{path}", server).status == 401, path


def test_every_answer_of_the_api_is_json(server: LiveServer) -> None:
    """Also when the path, the method or the body is wrong."""
    wrong = {
        "curl -X POST http://localhost:8000/api/health": 405,
        """curl -X POST http://localhost:8000/api/auth/login -d '{"password"'""": 422,
        'curl -H "Authorization: Bearer $TOKEN" http://localhost:8000/api/does-not-exist': 404,
        'curl -H "Authorization: Bearer $TOKEN" "http://localhost:8000/api/presets?limit=many"': 422,
        'curl -H "Authorization: Bearer nonsense" http://localhost:8000/api/presets': 401,
    }
    for line, status in wrong.items():
        answer = curl(line, server)
        assert (answer.status, answer.json()["error"].keys() >= {"code", "message", "hint"}) == (status, True), line


def test_the_documentation_opens_after_sign_in(server: LiveServer) -> None:
    """``/docs`` for people, ``/openapi.json`` for programs."""
    page = curl('curl -H "Authorization: Bearer $TOKEN" http://localhost:8000/docs', server)
    document = curl('curl -H "Authorization: Bearer $TOKEN" http://localhost:8000/openapi.json', server).json()

    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "/api/auth/login" in document["paths"]


def test_websockets_are_accepted_with_a_token_and_refused_without(server: LiveServer) -> None:
    """401 at the handshake."""
    with wscat('wscat -c "ws://localhost:8000/ws/downloads?token=$TOKEN"', server) as socket:
        assert '"type":"snapshot"' in str(socket.recv(timeout=20))
    with pytest.raises(InvalidStatus) as refused, wscat("wscat -c ws://localhost:8000/ws/downloads", server):
        pass
    assert refused.value.response.status_code == 401


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed here")
def test_the_real_curl_gets_the_same_answers(server: LiveServer) -> None:
    """The lines above are sent as curl sends them."""
    for line in (_LOGIN, "curl http://localhost:8000/api/health", "curl http://localhost:8000/api/presets"):
        done = subprocess.run([*arguments(line, server), "-s", "-i"], capture_output=True, check=True, timeout=20)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        ours = curl(line, server)
        assert int(head.split()[1]) == ours.status
        assert _keys(Answer(ours.status, ours.headers, body)) == _keys(ours)


def _keys(answer: Answer) -> set[str]:
    if "access_token" in (content := answer.json()):
        watch("session token", content["access_token"])
    return set(content)


def _first_answer(url: str) -> httpx2.Response:
    deadline = time.monotonic() + 60
    while True:
        try:
            return httpx2.get(url, timeout=5)
        except httpx2.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
