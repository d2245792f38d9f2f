"""``hearth serve`` says where it is, once it is there; and what keeps it from starting is one sentence."""

from __future__ import annotations

import re
import signal
import socket

import httpx2
import pytest

from tests.cli.rig import CommandLine
from tests.fakes.hub import HuggingFaceHub
from tests.secret_watch import watch


def test_port_0_picks_a_free_one_and_the_line_tells_which(hearth: CommandLine) -> None:
    """One line of JSON on standard output; the address in it answers at once."""
    with hearth.serving() as serving:
        assert httpx2.get(f"{serving.url}/api/health", timeout=10).status_code == 200
        serving.end()
        assert serving.process.stdout is not None
        assert serving.process.stdout.read() == ""


def test_people_read_addresses_they_can_open(hearth: CommandLine) -> None:
    """On standard error, beside the log."""
    process = hearth.begin("serve", PORT="0", HOST="127.0.0.1")
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"Hearth opens at  (http://127\.0\.0\.1:\d+/)", line):
            break
    else:
        pytest.fail("no address was shown")
    assert httpx2.get(f"{found[1]}api/health", timeout=10).status_code == 200
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert out == ""
    assert "Traceback" not in err
    assert "Aborted" not in err


def test_a_taken_port_is_one_sentence(hearth: CommandLine) -> None:
    """With what to do; nothing was opened."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        plain = hearth("serve", PORT=port, HOST="127.0.0.1")
        scripted = hearth("serve", "--json", "--host", "127.0.0.1", "--port", port)

    assert plain.status == 1
    assert plain.err.splitlines()[0] == f"Hearth cannot listen on 127.0.0.1 port {port}: Address already in use."
    assert (scripted.status, scripted.out, scripted.error["code"]) == (1, "", "port_taken")
    assert not (hearth.workspace / "config").exists()


def test_a_second_hearth_on_the_workspace_is_one_sentence(hearth: CommandLine) -> None:
    """For people, for scripts, and the first goes on."""
    with hearth.serving() as serving:
        plain = hearth("serve", PORT="0")
        scripted = hearth("serve", "--json", PORT="0")
        assert httpx2.get(f"{serving.url}/api/health", timeout=10).status_code == 200

    assert (plain.status, scripted.status, scripted.out) == (1, 1, "")
    assert f"Another Hearth works on {hearth.workspace}." in plain.err
    assert scripted.error["code"] == "workspace_in_use"
    assert "Traceback" not in plain.err + scripted.err


def test_a_wrong_setting_is_one_sentence(hearth: CommandLine) -> None:
    """Named with its value and what is allowed, for every command that reads settings."""
    for words in (("serve",), ("paths",)):
        done = hearth(*words, MAX_PARALLEL_DOWNLOADS="many")
        assert done.status == 1
        assert done.err.startswith("MAX_PARALLEL_DOWNLOADS is 'many', but it should")
        assert "Traceback" not in done.err
        assert hearth(*words, "--json", MAX_PARALLEL_DOWNLOADS="many").error["code"] == "invalid_setting"


def test_a_generated_password_is_shown_exactly_once(hearth: CommandLine) -> None:
    """At the first of two starts, and it opens the door at both."""
    with hearth.serving(ACCESS_PASSWORD="") as serving:
        [password] = re.findall(r"Password +(\S+)", serving.log.read_text())
        first = serving.log.read_text()
        serving.log.write_text(first.replace(password, "…"))  # it is meant to be read here, unlike every other secret
        _sign_in(serving.url, watch("generated password", password))
        serving.end()
    with hearth.serving(ACCESS_PASSWORD="") as serving:
        _sign_in(serving.url, password)
        serving.end()
        assert "Password" not in serving.log.read_text()
    assert first.count(password) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_10_s_while_a_file_arrives(
    hearth: CommandLine, hugging_face: HuggingFaceHub, number: int
) -> None:
    """In order: no warning, no task left, what arrived is kept, and the lock is free."""
    with hearth.serving() as serving:
        hearth("presets", "download", "ltx-2", "--no-wait")
        hugging_face.cdn.host.wait_for(lambda seen: any(request.bytes_sent > 20_000 for request in seen))
        status = serving.end(number, within_s=10)
        log = serving.log.read_text()

    assert status in (0, -number)
    assert "Application shutdown complete" in log
    assert not re.search(r"Traceback|never|destroyed|warning|error +\]", log), log
    assert list((hearth.workspace / "ComfyUI" / "models").rglob("*.part"))
    assert not (hearth.workspace / "config" / "runtime.json").exists()


def test_the_version_is_the_package_s(hearth: CommandLine) -> None:
    """Also as JSON."""
    assert hearth("version", "--json").json == {"version": hearth("version").out.strip()}


def _sign_in(url: str, password: str) -> None:
    answer = httpx2.post(f"{url}/api/auth/login", json={"password": password}, timeout=20)
    assert answer.status_code == 200
    watch("session token", answer.json()["access_token"])
