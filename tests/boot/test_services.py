"""Law: s6 keeps every service alive apart from the others, says how it stands, and ends all of them in order and in time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import secret_watch
from tests.boot.container import ROOT, SIGNALS, Container, until
from tests.fakes.s6 import need_s6


@pytest.fixture
def make_container(tmp_path: Path) -> Iterator[Callable[..., Container]]:
    """Make containers; keyword arguments are environment variables."""
    need_s6()
    made: list[Container] = []

    def make(**environ: str) -> Container:
        made.append(Container(tmp_path / str(len(made)), **environ))
        return made[-1]

    yield make
    for container in made:
        container.__exit__(None, None, None)


@pytest.fixture
def running(make_container: Callable[..., Container]) -> Container:
    """A container whose services are all ready."""
    container = make_container()
    container.start()
    all_ready(container)
    return container


def all_ready(container: Container) -> None:
    """Wait until every service can be used."""
    until(lambda: all(map(container.is_ready, SIGNALS)), "every service is ready")


def phases(container: Container) -> dict[str, Any]:
    """Return the timeline by phase; nothing before it begins."""
    timeline = container.places.timeline
    lines = timeline.read_text().splitlines() if timeline.exists() else []
    return {line["phase"]: line for line in map(json.loads, lines)}


def until_another(container: Container, name: str, before: int) -> None:
    """Wait until *name* is ready again as another process than *before*."""
    until(
        lambda: container.service_pid(name) not in (-1, 0, before) and container.is_ready(name),
        f"{name} is another, ready",
    )


def test_ready_and_timed(running: Container) -> None:
    """Each service says when it can be used, and the timeline holds the preparation and every service, in order."""
    until(lambda: len(running.places.timeline.read_text().splitlines()) == 5, "five phases")
    lines = [json.loads(line) for line in running.places.timeline.read_text().splitlines()]
    assert [line["phase"] for line in lines[:2]] == ["container", "volume"]
    assert {line["phase"] for line in lines[2:]} == set(SIGNALS)
    assert all(line["started_ms"] <= line["ended_ms"] for line in lines)
    now_ms = time.time() * 1000
    assert lines[0]["started_ms"] <= min(line["started_ms"] for line in lines[1:])
    assert now_ms - 120_000 < lines[0]["started_ms"] < now_ms
    assert json.loads(running.places.found.read_text())["layout"] == "fresh"


def test_killed_service_comes_back_alone(running: Container) -> None:
    """A service that is killed is back at once; the others do not notice."""
    for name in SIGNALS:
        before = {other: running.service_pid(other) for other in SIGNALS}
        os.kill(before[name], signal.SIGKILL)
        until_another(running, name, before[name])
        after = {other: running.service_pid(other) for other in SIGNALS}
        assert {other for other in SIGNALS if after[other] != before[other]} == {name}
        attempt = running.attempt(name)
        assert (attempt["starts"], attempt["exit_signal"], attempt["reason"]) == (2, "SIGKILL", "crash")


def test_crash_loop_is_slow_and_visible(make_container: Callable[..., Container]) -> None:
    """A service that cannot start waits longer each time, in the open; the others run; an order ends the wait."""
    container = make_container()
    container.behave("comfyui", "crash")
    container.start()
    until(lambda: container.is_ready("hearth") and container.is_ready("nginx"), "the others are ready")
    until(lambda: container.attempt("comfyui").get("failures", 0) >= 3, "it ended three times")
    until(lambda: container.asked("comfyui", "up,wantedup") == ["false", "true"], "it waits")
    attempt = container.attempt("comfyui")
    assert attempt["pause_s"] == 2 ** (attempt["failures"] - 2)
    assert attempt["next_start_ms"] > attempt["ended_ms"]
    assert attempt["exit_code"] == 3
    container.behave("comfyui", "good")
    container.steer("comfyui", "-u")
    until(lambda: container.is_ready("comfyui"), "it is ready")
    before = container.service_pid("comfyui")
    container.steer("comfyui", "-r")
    until_another(container, "comfyui", before)


def test_stop_in_order(running: Container) -> None:
    """`docker stop` ends the door first, then Hearth, then ComfyUI, each by its own signal, with exit code 0."""
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < 10
    ends = [line for line in running.output.read_text().splitlines() if " ends by " in line]
    assert ends == ["nginx ends by SIGQUIT", "hearth ends by SIGTERM", "comfyui ends by SIGINT"]
    for name in SIGNALS:
        assert f"{name} ends by" in running.log(name)


def test_stop_of_deaf_services(make_container: Callable[..., Container]) -> None:
    """Services that hear nothing are killed in time: the container ends by itself before Docker would kill it."""
    container = make_container()
    for name in SIGNALS:
        container.behave(name, "deaf")
    container.start()
    all_ready(container)
    pids = [container.service_pid(name) for name in SIGNALS]
    assert container.stop() == 0
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_deadlines_fit_into_dockers() -> None:
    """The deadlines of what ends one after the other leave a quarter of Docker's ten seconds."""

    def deadline_ms(name: str) -> int:
        return int((ROOT / "image" / "rootfs" / "etc" / "s6" / name / "timeout-kill").read_text())

    last = max(map(deadline_ms, ("comfyui", "code-server", "jupyter", "sshd")))
    assert deadline_ms("nginx") + deadline_ms("hearth") + last <= 7500


def test_stop_while_a_service_waits(running: Container) -> None:
    """A service that waits for its next start does not hold up the end."""
    record = running.places.attempts / "comfyui.json"
    record.write_text(json.dumps({**running.attempt("comfyui"), "failures": 20}))
    os.kill(running.service_pid("comfyui"), signal.SIGKILL)
    until(lambda: running.attempt("comfyui")["pause_s"] == 30, "it waits")
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < 10


def test_order_to_end_is_not_delayed(running: Container) -> None:
    """A service that was told to end is down when it has ended, however often it had crashed before."""
    record = running.places.attempts / "comfyui.json"
    record.write_text(json.dumps({**running.attempt("comfyui"), "failures": 20}))
    running.steer("comfyui", "-wD", "-T", "20000", "-d")
    assert running.asked("comfyui", "up,wantedup") == ["false", "false"]


def test_zombies_are_reaped(make_container: Callable[..., Container]) -> None:
    """Grandchildren that a service leaves behind do not stay as zombies."""
    container = make_container()
    container.behave("comfyui", "orphan")
    container.start()
    all_ready(container)

    def zombies() -> list[str]:
        children = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
        stats = [Path(f"/proc/{child}/stat") for child in children]
        return [
            stat.parent.name
            for stat in stats
            if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"
        ]

    until(lambda: not zombies(), "no zombie is left")


def test_logs(running: Container) -> None:
    """What a service says on either output stands in its own folder with the time, and in the container's log."""
    until(lambda: "nginx complains" in running.log("nginx"), "it is logged")
    line = running.log("nginx").splitlines()[0]
    assert line[:4].isdigit()
    assert line[4] == "-"
    assert "hearth starts" in running.output.read_text()
    assert "hearth" not in running.log("nginx")


def test_secrets_reach_hearth_alone(make_container: Callable[..., Container]) -> None:
    """Hearth's secrets are not in the environment of programs that run other people's code."""
    container = make_container(WEBHOOK_SECRET=secret_watch.secret("webhook secret"))
    container.start()
    all_ready(container)
    until(lambda: all("starts as" in container.log(name) for name in SIGNALS), "all started")
    assert "['WEBHOOK_SECRET']" in container.log("hearth")
    assert "with []" in container.log("comfyui")


def test_reboot_by_the_manager(running: Container) -> None:
    """The file that ComfyUI-Manager leaves before it ends makes it a restart that was asked for."""
    (running.places.run / "comfyui.reboot").touch()
    before = running.service_pid("comfyui")
    os.kill(before, signal.SIGINT)
    until_another(running, "comfyui", before)
    assert running.attempt("comfyui")["reason"] == "reboot"
    assert not (running.places.run / "comfyui.reboot").exists()


def test_switched_off(make_container: Callable[..., Container]) -> None:
    """Services that are switched off, or that this variant does not bring, do not exist."""
    container = make_container(ENABLE_COMFYUI="false")
    container.start()
    until(lambda: container.is_ready("hearth") and container.is_ready("nginx"), "the others are ready")
    assert sorted(path.name for path in container.places.services.iterdir() if path.name[0] != ".") == [
        "hearth",
        "nginx",
    ]


def test_restart_of_the_container(make_container: Callable[..., Container]) -> None:
    """A container that is stopped and started again begins anew, on what the volume holds."""
    container = make_container()
    for _ in range(2):
        container.start()
        all_ready(container)
        assert container.attempt("hearth")["starts"] == 1
        assert container.stop() == 0
    assert json.loads(container.places.found.read_text())["layout"] == "current"


def test_post_start_hooks(make_container: Callable[..., Container]) -> None:
    """Scripts of post-start run in order once everything is ready; one that fails does not keep the next from running."""
    container = make_container()
    hooks = container.places.hooks / "post-start.d"
    hooks.mkdir(parents=True)
    (hooks / "10-fails.sh").write_text("echo first; exit 3\n")
    (hooks / "20-works").write_text('#!/bin/sh\necho "second on $WORKSPACE"\n')
    (hooks / "20-works").chmod(0o755)
    (hooks / "readme.txt").write_text("no script\n")
    container.start()
    until(lambda: "post-start 20-works" in phases(container), "both ran")
    until(lambda: "second on" in container.output.read_text(), "both were heard")
    said = container.output.read_text()
    assert said.index("first") < said.index(f"second on {container.places.workspace}")
    assert "ended with code 3" in said
    noted = phases(container)
    assert "post-start readme.txt" not in noted
    ready_ms = max(noted[name]["ended_ms"] for name in ("hearth", "comfyui"))
    assert ready_ms <= noted["post-start 10-fails.sh"]["started_ms"]


def test_command_in_place_of_services(make_container: Callable[..., Container]) -> None:
    """`docker run IMAGE COMMAND` prepares the volume and becomes the command, with the environment of the services."""
    container = make_container()
    container.start("sh", "-c", 'echo "$WORKSPACE $HOME $VIRTUAL_ENV"; exit 7')
    assert container.wait() == 7
    workspace = container.places.workspace
    assert f"{workspace} {workspace} {workspace}/venv" in container.output.read_text()
    assert not container.places.services.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave root")
def test_services_leave_root(open_folder: Path) -> None:
    """Started by root, services and loggers run as the user of the volume, who may steer them."""
    need_s6()
    with Container(open_folder, PUID="1234") as container:
        for name in SIGNALS:  # the interpreter of the tests may lie where only root may go
            run = open_folder / "s6" / name / "run"
            script = open_folder / "dummy_service.py"
            script.write_text((Path(__file__).parent / "dummy_service.py").read_text())
            text = run.read_text().partition(" -- ")[0]
            command = f"/usr/bin/python3 {script} {name} {container.ports[name]} {SIGNALS[name]} good"
            run.write_text(f"{text} -- {command}\n")
        container.start()
        all_ready(container)
        until(lambda: all("starts as 1234" in container.log(name) for name in SIGNALS), "all run as 1234")
        assert (container.places.logs / "nginx" / "current").stat().st_uid == 1234
        before = container.service_pid("comfyui")
        as_user = ["setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups"]
        done = subprocess.run([*as_user, "s6-svc", "-r", container.places.services / "comfyui"], check=False)
        assert done.returncode == 0
        until_another(container, "comfyui", before)
