"""Log lines can be read by people and machines, and no secret gets into one by any door."""

from __future__ import annotations

import io
import json
import logging
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from backend.kit.redact import MASK, register_secret
from backend.logs import configure_logs, get_logger
from tests.secret_watch import secret, watch

Read = Callable[[], str]


@pytest.fixture
def logs() -> Iterator[Callable[..., Read]]:
    """Configure logging; returns a function that reads what was written."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level

    def configure(output_format: str = "json", level: str = "debug") -> Read:
        configure_logs(level, output_format)
        stream = io.StringIO()
        [handler] = root.handlers
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(stream)
        return stream.getvalue

    yield configure
    root.handlers, root.level = before, level
    structlog.contextvars.clear_contextvars()


def _entries(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_json_line_holds_event_level_logger_time_and_fields(logs: Callable[..., Read]) -> None:
    """Numbers stay numbers, lists stay lists, letters stay letters."""
    read = logs()
    get_logger("backend.some.part").info(
        "file_stored", size_bytes=7, ok=True, names=["a", "ß"], path=Path("/x"), none=None
    )
    [entry] = _entries(read())

    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "file_stored", "level": "info", "logger": "backend.some.part", "size_bytes": 7, "ok": True,
        "names": ["a", "ß"], "path": "/x", "none": None,
    }  # fmt: skip
    assert "ß" in read()


def test_a_console_line_is_one_line_for_people(logs: Callable[..., Read]) -> None:
    """No escape codes where nobody sees colours."""
    read = logs("console")
    get_logger("backend.some.part").warning("space_low", free_bytes=7)

    assert read().count("\n") == 1
    assert "\x1b" not in read()
    assert "space_low" in read()
    assert "free_bytes=7" in read()


def test_lines_below_the_level_are_not_written(logs: Callable[..., Read]) -> None:
    """Ours and those of libraries."""
    read = logs(level="warning")
    get_logger("backend.x").info("quiet")
    logging.getLogger("some.library").info("quiet")
    get_logger("backend.x").warning("loud")

    assert [entry["event"] for entry in _entries(read())] == ["loud"]


def test_the_request_id_is_on_every_line_of_a_request(logs: Callable[..., Read]) -> None:
    """Also on lines of libraries."""
    read = logs()
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        get_logger("backend.x").info("ours")
        logging.getLogger("some.library").warning("theirs %s", "formatted")
    get_logger("backend.x").info("later")

    assert [(e["event"], e.get("request_id")) for e in _entries(read())] == [
        ("ours", "r1"), ("theirs formatted", "r1"), ("later", None),
    ]  # fmt: skip


@pytest.mark.parametrize("output_format", ["json", "console"])
def test_no_door_lets_a_secret_through(logs: Callable[..., Read], output_format: str) -> None:
    """Message, fields, nested fields, library arguments, extras, exceptions, causes and context."""
    read = logs(output_format)
    registered = secret("registered secret")
    register_secret(registered)
    tokens = [
        watch("hub token", f"hf_{secrets.token_hex(17)}"),
        secret("API key", "hearth_"),
        secret("bearer", "Bearer "),
        registered,
    ]
    url = "https://host.test/f?X-Amz-Signature=" + secret("signature") + "&n=1"
    ours, library = get_logger("backend.x"), logging.getLogger("some.library")
    for token in tokens:
        ours.info(f"event {token}")
        ours.info("field", value=token, nested={"deep": [token, {"deeper": token}]}, obj=ValueError(token))
        library.warning("argument %s", token)
        library.warning("extra", extra={"detail": token})
        with structlog.contextvars.bound_contextvars(context=token):
            ours.info("bound")
        try:
            try:
                raise KeyError(token)
            except KeyError as error:
                raise RuntimeError(f"failed with {token}") from error
        except RuntimeError:
            ours.exception("ours")
            library.exception("theirs")
            ours.error("given", exc_info=sys.exc_info())
    ours.info("url", url=url)
    ours.info(
        "named", password=secret("by name"), access_token=secret("by name"), headers={"Cookie": secret("by name")}
    )
    text = read()

    assert "Traceback" in text
    assert "RuntimeError" in text
    assert MASK in text
    assert "n=1" in text
    for used in _every_used_secret():
        assert used not in text


def _every_used_secret() -> list[str]:
    from tests import secret_watch

    return list(secret_watch._used)


@pytest.mark.parametrize("output_format", ["json", "console"])
@pytest.mark.parametrize("evil", ["a\nevent=forged", "a\r\n{}", "a\x1b[2Jb", "a\u2028b", "a\x85b"])
def test_no_value_can_pose_as_a_line_or_drive_a_terminal(
    logs: Callable[..., Read], output_format: str, evil: str
) -> None:
    """File names, host names and answers of other servers are other people's text."""
    read = logs(output_format)
    get_logger("backend.x").info("file", name=evil, many=[evil])
    logging.getLogger("some.library").warning(evil)

    assert len(read().splitlines()) == 2
    assert "\x1b" not in read()


def test_uvicorn_passes_through_the_same_door_and_its_access_log_is_off(logs: Callable[..., Read]) -> None:
    """Its access log would write queries; our own line is written instead."""
    read = logs()
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
    token = secret("query token")
    logging.getLogger("uvicorn.access").info('%s - "GET /ws?token=%s"', "127.0.0.1", token)
    logging.getLogger("uvicorn.error").info('"WebSocket %s" [accepted]', f"/ws/downloads?token={token}")
    events = [entry["event"] for entry in _entries(read())]

    assert events[0] == "Started server process [7]"
    assert len(events) == 2
    assert token not in read()


def test_the_level_holds_for_uvicorn_too(logs: Callable[..., Read]) -> None:
    """``uvicorn backend.main:app`` has set its own level before; its painted copy of the message is left out."""
    logging.getLogger("uvicorn.error").setLevel(logging.INFO)
    read = logs(level="warning")
    logging.getLogger("uvicorn.error").info("Uvicorn running")
    logging.getLogger("uvicorn.error").warning("Slow", extra={"color_message": "painted"})

    assert [entry["event"] for entry in _entries(read())] == ["Slow"]
    assert "painted" not in read()


def test_a_second_configuration_replaces_the_first(logs: Callable[..., Read]) -> None:
    """Each line is written once."""
    logs()
    read = logs()
    get_logger("backend.x").info("once")

    assert len(_entries(read())) == 1


def test_a_whole_process_writes_one_json_object_per_line() -> None:
    """From a fresh interpreter, on standard error, with a traceback of a thread."""
    script = """
import threading
from backend.logs import configure_logs, get_logger
configure_logs("info", "json")
log = get_logger("script")
log.info("first")
def fail():
    try:
        raise RuntimeError("in a thread")
    except RuntimeError:
        log.exception("second")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    entries = _entries(done.stderr)

    assert [entry["event"] for entry in entries] == ["first", "second"]
    assert "RuntimeError: in a thread" in entries[1]["exception"]
    assert done.stdout == ""
