"""Logs are read from their end and followed over rotations, line by line, with bounded memory, without a secret."""

from __future__ import annotations

import subprocess
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.comfyui import LogRing
from backend.system.logs import Entry, FileLog, Level, LevelReader, LogReader, RingLog, parse_line
from tests.fakes.s6 import need_s6, wait_until
from tests.secret_watch import secret


def write_through_s6_log(folder: Path, lines: list[str], *script: str) -> None:
    need_s6()
    subprocess.run(
        ["s6-log", *script, str(folder)], input="".join(f"{line}\n" for line in lines), text=True, check=True
    )


def texts(entries: list[Entry]) -> list[str]:
    return [entry.text for entry in entries]


def everything(reader: LogReader) -> list[str]:
    read: list[str] = []
    while entries := reader.read():
        read += texts(entries)
    return read


@pytest.mark.parametrize("stamp", ["t", "T"])
def test_the_time_that_s6_log_writes_is_the_time_of_the_line(tmp_path: Path, stamp: str) -> None:
    """TAI64N and ISO 8601 alike, to the millisecond."""
    before = datetime.now(UTC)
    write_through_s6_log(tmp_path / "log", ["hello"], stamp)
    [entry] = FileLog(tmp_path / "log").tail(10)

    assert entry.text == "hello"
    assert entry.at is not None
    assert before - timedelta(milliseconds=1) <= entry.at <= datetime.now(UTC)


def test_a_line_without_a_time_has_none() -> None:
    """And nothing of its text is lost."""
    assert parse_line(b"@40000000 not a label\n") == (None, "@40000000 not a label")


def test_colours_go_and_of_a_bar_the_last_state_stays() -> None:
    """As a person at a terminal would see it."""
    assert parse_line(b"\x1b[32m[INFO]\x1b[0m ready\r\n")[1] == "[INFO] ready"
    assert parse_line(b" 50%|#####     |\r100%|##########|\n")[1] == "100%|##########|"


def test_secrets_are_masked_and_long_lines_cut() -> None:
    """A log is shown to whoever may read."""
    token = secret("hub token", "hf_")
    _, text = parse_line(f"loading with {token} ".encode() + b"x" * 10_000)

    assert token not in text
    assert len(text) <= 4_100


LEVELS = [
    ("[INFO] got prompt", Level.INFO), ("[WARNING] lora key not loaded", Level.WARNING), ("[ERROR] boom", Level.ERROR),
    ("[DETAIL] placed", Level.DEBUG), ("got prompt", Level.INFO), ("WARNING: this card", Level.WARNING),
    ("Cannot import /x module for custom nodes: y", Level.WARNING), ("!!! Exception during processing !!! x", Level.ERROR),
    ("2026/11/24 19:40:01 [error] 12#12: connect() failed", Level.ERROR), ("2026/11/24 19:40:01 [warn] 12#12: x", Level.WARNING),
    ("[I 2026-11-24 19:40:01.123 ServerApp] running", Level.INFO), ("[E 2026-11-24 19:40:01.123 ServerApp] no", Level.ERROR),
    ("[2026-11-24T19:40:01.123Z] warn  deprecated", Level.WARNING), ('{"event": "x", "level": "error"}', Level.ERROR),
    ("2026-11-24T19:40:01Z [warning  ] downloads_slow [backend]", Level.WARNING),
    ("INFO:     Started server process", Level.INFO), ("A prompt about an ERROR in the middle of a sentence", Level.INFO),
]  # fmt: skip


@pytest.mark.parametrize(("text", "level"), LEVELS)
def test_levels_are_read_as_each_program_writes_them(text: str, level: Level) -> None:
    """ComfyUI old and new, nginx, Jupyter, code-server, Hearth as text and as JSON."""
    assert LevelReader().read(text) is level


def test_a_traceback_is_an_error_to_its_end() -> None:
    """Its head, its lines and its exception; what follows is judged by itself."""
    reader = LevelReader()
    lines = [
        "Traceback (most recent call last):",
        '  File "x.py", line 1',
        "    import timm",
        "ModuleNotFoundError: No module",
        "ok",
    ]

    assert [reader.read(line) for line in lines] == [Level.ERROR] * 4 + [Level.INFO]


def test_the_tail_goes_back_into_older_files(tmp_path: Path) -> None:
    """The last lines in order, from as many files as it takes, each once."""
    lines = [f"line {n} {'x' * 60}" for n in range(400)]
    write_through_s6_log(tmp_path / "log", lines, "t", "n9", "s4096")
    assert len(list((tmp_path / "log").glob("@*"))) > 3

    assert texts(FileLog(tmp_path / "log").tail(300)) == lines[-300:]
    assert texts(FileLog(tmp_path / "log").tail(1)) == lines[-1:]
    assert FileLog(tmp_path / "log").tail(0) == []


def test_a_log_that_is_not_there_yet_begins_later(tmp_path: Path) -> None:
    """Following may start before the service does."""
    log = FileLog(tmp_path / "log")
    first, reader = log.follow(10)
    assert first == []
    assert reader.read() == []
    write_through_s6_log(tmp_path / "log", ["first", "second"])

    assert everything(reader) == ["first", "second"]
    reader.close()


def test_following_loses_nothing_over_rotations(tmp_path: Path) -> None:
    """However many files were begun between two looks, as long as they are kept; a half-written line waits for its end."""
    write_through_s6_log(tmp_path / "log", ["before"], "n99", "s4096")
    first, reader = FileLog(tmp_path / "log").follow(5)
    assert texts(first) == ["before"]
    sent: list[str] = []
    for round_ in range(6):
        lines = [f"round {round_} line {n} {'y' * 100}" for n in range(150)]
        write_through_s6_log(tmp_path / "log", lines, "n99", "s4096")
        sent += lines

    assert everything(reader) == sent
    reader.close()


def test_a_line_is_told_when_it_is_whole(tmp_path: Path) -> None:
    """Not in two halves."""
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "current").write_bytes(b"whole\nhal")
    first, reader = FileLog(folder).follow(10)
    assert texts(first) == ["whole"]
    with (folder / "current").open("ab") as file:
        file.write(b"f\n")

    assert everything(reader) == ["half"]
    reader.close()


def test_an_emptied_file_is_read_from_its_beginning(tmp_path: Path) -> None:
    """Somebody typed ``> current``."""
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "current").write_bytes(b"a long line that is old\n")
    _, reader = FileLog(folder).follow(10)
    (folder / "current").write_bytes(b"new\n")

    assert everything(reader) == ["new"]
    reader.close()


def test_memory_stays_bounded_for_a_log_of_any_size(tmp_path: Path) -> None:
    """Ten megabytes are tailed, and caught up with, within two or three."""
    folder = tmp_path / "log"
    folder.mkdir()
    block = (b"z" * 99 + b"\n") * 10_000
    (folder / "current").write_bytes(b"old\n")
    _, reader = FileLog(folder).follow(1)
    with (folder / "current").open("ab") as file:
        for _ in range(10):
            file.write(block)
    tracemalloc.start()
    try:
        assert len(FileLog(folder).tail(200)) == 200
        caught_up = sum(1 for _ in everything(reader))
        assert sum(len(piece) for piece in FileLog(folder).whole()) > 10 * len(block)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 3 * 1024**2
    assert caught_up < 20_000  # what lies too far behind is left out
    reader.close()


def test_the_whole_log_can_be_saved_as_text(tmp_path: Path) -> None:
    """Every file that is kept, oldest first, with times that people read."""
    lines = [f"line {n} {'x' * 60}" for n in range(200)]
    write_through_s6_log(tmp_path / "log", lines, "t", "n99", "s4096")
    saved = b"".join(FileLog(tmp_path / "log").whole()).decode().splitlines()

    assert [line.split("  ", 1)[1] for line in saved] == lines
    assert datetime.fromisoformat(saved[0].split("  ", 1)[0]).tzinfo is not None


def test_a_ring_is_followed_without_a_gap_or_a_double() -> None:
    """The log of the child; a bar that moves is one line."""
    ring = LogRing()
    ring.feed(b"one\ntwo\n")
    first, reader = RingLog(ring).follow(1)
    ring.feed(b"three\n10%\r20%\rdone\n")

    assert texts(first) == ["two"]
    assert everything(reader) == ["three", "done"]
    reader.close()
    ring.feed(b"after\n")
    assert reader.read() == []


def test_a_running_logger_is_followed_live(tmp_path: Path) -> None:
    """Lines arrive while they are written, and rotations happen under way."""
    need_s6()
    folder = tmp_path / "log"
    logger = subprocess.Popen(["s6-log", "t", "n99", "s4096", str(folder)], stdin=subprocess.PIPE, text=True)
    assert logger.stdin is not None
    wait_until((folder / "current").exists)
    _, reader = FileLog(folder).follow(10)
    seen: list[str] = []
    sent = [f"{n} {'w' * 90}" for n in range(2_000)]
    for begin in range(0, len(sent), 50):
        logger.stdin.write("".join(f"{line}\n" for line in sent[begin : begin + 50]))
        logger.stdin.flush()
        seen += everything(reader)
    logger.stdin.close()
    logger.wait(timeout=20)

    def caught_up() -> bool:
        seen.extend(everything(reader))
        return len(seen) >= len(sent)

    wait_until(caught_up)
    assert seen == sent
    reader.close()
