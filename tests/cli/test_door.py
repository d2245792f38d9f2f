"""A command reaches the Hearth that runs, wherever it listens; it starts fast, and never mistakes a stranger for it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from backend.system import WorkspaceLock
from tests.cli.rig import CommandLine, has_ansi
from tests.live import LiveServer
from tests.secret_watch import secret

_HEAVY = ("fastapi", "starlette", "sqlalchemy", "alembic", "uvicorn", "pycurl", "jinja2", "yaml", "psutil", "argon2")


def test_commands_find_a_server_started_by_uvicorn_on_any_port(
    make_live_server: Callable[..., LiveServer],
) -> None:
    """PORT says 8000 there; what counts is where it listens."""
    server = make_live_server()
    hearth = CommandLine(server.workspace)
    answer = hearth("paths", "--json").json

    assert answer["workspace"] == str(server.workspace)
    runtime = json.loads((server.workspace / "config" / "runtime.json").read_text())
    assert (runtime["url"], runtime["pid"]) == (server.url, server.pid)


def test_a_command_beside_a_server_loads_neither_web_framework_nor_database(hearth: CommandLine) -> None:
    """It is an HTTP client and a painter."""
    code = (
        "import sys\nfrom backend.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {_HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    with hearth.serving():
        for words in (("presets", "list"), ("downloads", "list"), ("doctor",), ("paths",), ("version",)):
            done = subprocess.run(
                [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60, check=True,
                env={"PATH": os.environ["PATH"], "WORKSPACE": str(hearth.workspace)}, cwd=Path(__file__).parents[2],
            )  # fmt: skip
            assert done.stderr.splitlines()[-1] == "[]", words


def test_doctor_and_paths_speak_plainly_into_a_pipe(command: CommandLine) -> None:
    """And as JSON for scripts."""
    for words in (("doctor",), ("paths",)):
        done = command(*words)
        assert done.status == 0, done.err
        assert str(command.workspace) in done.out
        assert not has_ansi(done.out + done.err)
        assert command(*words, "--json").json


def test_a_holder_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    """The lock is held and an address announced, but nobody is there."""
    hearth = CommandLine(tmp_path / "workspace")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with WorkspaceLock(hearth.workspace / "config") as lock:
            lock.announce(address, secret("local token"))
            done = hearth("paths")
            scripted = hearth("paths", "--json")

    assert done.status == 1
    assert f"does not answer at {address}" in done.err
    assert "Traceback" not in done.err
    assert scripted.error["code"] == "unreachable"


def test_two_commands_without_a_server_do_not_meet(hearth: CommandLine) -> None:
    """The one that works in its own process listens nowhere; the other is told that the workspace is in use."""
    first = hearth.begin("presets", "download", "ltx-2")
    try:
        runtime, lock = hearth.workspace / "config" / "runtime.json", hearth.workspace / "config" / "hearth.db"
        while not lock.exists():
            assert first.poll() is None
        second = hearth("downloads", "list", "--json")
        assert not runtime.exists()
    finally:
        first.kill()
        first.communicate()
    assert (second.status, second.error["code"]) == (1, "workspace_in_use")


def test_a_mistyped_command_shows_the_way(tmp_path: Path) -> None:
    """Usage on standard error, status 2, as shells expect."""
    hearth = CommandLine(tmp_path / "workspace")
    done = hearth("presets", "fetch")

    assert done.status == 2
    assert "Usage" in done.err
    assert "Traceback" not in done.err
    assert not hearth.workspace.exists()
