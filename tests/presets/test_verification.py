"""A check reads every byte, says what it found, remembers it, and stops at once when asked."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from backend.logs import configure_logs
from backend.presets import verification
from backend.presets.preset import Origin, Preset, PresetFile
from backend.presets.schema import check_preset, to_preset
from backend.presets.verification import Outcome, Verification, VerificationState, Verifier
from tests.presets.shelf import HOST, Shelf, definition, file, sha256, weights

pytestmark = pytest.mark.anyio

GOOD = weights(b"good")
DEADLINE_S = 20


def preset(*files: dict[str, Any], preset_id: str = "a") -> Preset:
    return to_preset(check_preset(definition(preset_id, *files)), Origin.SHIPPED)


class Bench:
    """A verifier on a shelf, and what it told."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.told: list[tuple[VerificationState, int]] = []
        self.promises: dict[str, str] = {}
        self.verifier = Verifier(
            find=shelf.paths.find, record=shelf.ledger.record, promised=self._promised, changed=self._changed
        )

    async def _promised(self, wanted: PresetFile) -> str | None:
        return self.promises.get(wanted.url)

    async def _changed(self, check: Verification) -> None:
        self.told.append((check.state, check.bytes_done))

    async def put(self, name: str, content: bytes = GOOD) -> Path:
        return await asyncio.to_thread(self.shelf.put, name, content)

    async def run(self, wanted: Preset) -> Verification:
        check = self.verifier.start(wanted, {file.place: 1 for file in wanted.files})
        await self.verifier.wait(wanted.id)
        return check


@pytest.fixture
async def bench(shelf: Shelf) -> AsyncIterator[Bench]:
    made = Bench(shelf)
    yield made
    await made.verifier.close()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


class Gate:
    """Hold the reading thread between two blocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reading = threading.Event()
        self.open = threading.Event()
        self.readers = 0
        self.peak = 0
        original: Callable[..., None] = os.posix_fadvise

        def wait(*arguments: Any) -> None:
            self.readers += 1
            self.peak = max(self.peak, self.readers)
            self.reading.set()
            assert self.open.wait(DEADLINE_S)
            self.readers -= 1
            original(*arguments)

        monkeypatch.setattr(verification.os, "posix_fadvise", wait)

    async def entered(self) -> None:
        assert await asyncio.to_thread(self.reading.wait, DEADLINE_S)


def outcomes(check: Verification) -> dict[str, Outcome]:
    return {name: outcome for (_, name), outcome in check.outcomes.items()}


async def test_every_file_gets_its_verdict(bench: Bench):
    """Right, wrong, unpromised, missing and unreadable files are told apart, and what was read is in the ledger."""
    right, wrong = await bench.put("right.bin"), await bench.put("wrong.bin")
    await bench.put("free.bin")
    await bench.put("hub.bin")
    bench.promises[f"{HOST}/hub.bin"] = sha256(GOOD)
    check = await bench.run(
        preset(
            file("right.bin", content=GOOD),
            file("wrong.bin", sha256="0" * 64),
            file("free.bin"),
            file("hub.bin"),
            file("missing.bin", content=GOOD),
            file("elsewhere.bin", "martian_models"),
        )
    )
    assert check.state is VerificationState.COMPLETED
    assert outcomes(check) == {
        "right.bin": Outcome.MATCHES,
        "wrong.bin": Outcome.DIFFERS,
        "free.bin": Outcome.RECORDED,
        "hub.bin": Outcome.MATCHES,
        "missing.bin": Outcome.MISSING,
        "elsewhere.bin": Outcome.MISSING,
    }
    assert check.bytes_done == 4 * len(GOOD)
    kept = {record.path.name: record for record in bench.shelf.ledger.all()}
    assert {name: record.verified for name, record in kept.items()} == {
        "right.bin": True, "wrong.bin": False, "free.bin": False, "hub.bin": True,
    }  # fmt: skip
    assert kept["right.bin"].source_url == f"{HOST}/right.bin"
    assert kept["wrong.bin"].source_url is None
    assert await bench.shelf.ledger.lookup(right) is not None
    assert (await bench.shelf.ledger.lookup(wrong)).sha256 == sha256(GOOD)
    assert bench.told[-1][0] is VerificationState.COMPLETED


async def test_cancelling_leaves_no_thread(bench: Bench, gate: Gate):
    """When the cancellation returns, the file is closed and nobody reads it any more."""
    await bench.put("a.bin", b"x" * (9 << 20))
    check = bench.verifier.start(preset(file("a.bin", content=GOOD)), {("checkpoints", "a.bin"): 9 << 20})
    await gate.entered()
    cancelling = asyncio.create_task(bench.verifier.cancel("a"))
    twice = asyncio.create_task(bench.verifier.cancel("a"))
    await asyncio.sleep(0)
    gate.open.set()
    assert await cancelling
    await twice
    assert gate.readers == 0
    assert (check.state, check.active) == (VerificationState.CANCELLED, False)
    assert 0 < check.bytes_done < 9 << 20
    assert check.finished_at is not None
    assert bench.shelf.ledger.all() == ()
    assert not await bench.verifier.cancel("a")
    opened = await asyncio.to_thread(
        lambda: [
            os.readlink(f"/proc/self/fd/{fd}")
            for fd in os.listdir("/proc/self/fd")
            if os.path.lexists(f"/proc/self/fd/{fd}")
        ]
    )
    assert not any(path.endswith("a.bin") for path in opened)


async def test_a_check_that_never_began_can_be_cancelled(bench: Bench):
    """Even before its first step it ends as cancelled, not as queued for ever."""
    check = bench.verifier.start(preset(file("a.bin")), {})
    await bench.verifier.cancel("a")
    await asyncio.sleep(0)
    assert check.state is VerificationState.CANCELLED


async def test_one_check_reads_at_a_time(bench: Bench, gate: Gate):
    """Two presets are checked one after the other; the second waits in the queue and can be cancelled there."""
    for name in ("a.bin", "b.bin"):
        await bench.put(name)
    first = bench.verifier.start(preset(file("a.bin", content=GOOD)), {})
    await gate.entered()
    second = bench.verifier.start(preset(file("b.bin", content=GOOD), preset_id="b"), {})
    third = bench.verifier.start(preset(file("b.bin", content=GOOD), preset_id="c"), {})
    await asyncio.sleep(0)
    assert (second.state, third.state) == (VerificationState.QUEUED, VerificationState.QUEUED)
    await bench.verifier.cancel("c")
    gate.open.set()
    await bench.verifier.wait("b")
    assert (first.state, second.state) == (VerificationState.COMPLETED, VerificationState.COMPLETED)
    assert third.state is VerificationState.CANCELLED
    assert gate.peak == 1


async def test_asking_twice_joins_the_check(bench: Bench, gate: Gate):
    """A second request reads nothing a second time; after the end a new check begins."""
    await bench.put("a.bin")
    wanted = preset(file("a.bin", content=GOOD))
    first = bench.verifier.start(wanted, {})
    await gate.entered()
    assert bench.verifier.start(wanted, {}) is first
    gate.open.set()
    await bench.verifier.wait("a")
    assert bench.verifier.last("a") is first
    assert bench.verifier.start(wanted, {}) is not first


async def test_a_file_that_changes_under_the_reader_is_not_vouched_for(bench: Bench, gate: Gate):
    """Half of the old bytes and half of the new ones prove nothing."""
    path = await bench.put("a.bin")
    check = bench.verifier.start(preset(file("a.bin", content=GOOD)), {})
    await gate.entered()

    def append() -> None:
        with path.open("ab") as target:
            target.write(b"more")

    await asyncio.to_thread(append)
    gate.open.set()
    await bench.verifier.wait("a")
    assert outcomes(check) == {"a.bin": Outcome.UNREADABLE}
    assert bench.shelf.ledger.all() == ()


async def test_a_defect_ends_the_check_as_failed(bench: Bench):
    """An unexpected error is a state that people see, not a check that runs for ever."""
    configure_logs("error", "json")
    await bench.put("a.bin")

    async def fail(_: object) -> None:
        raise RuntimeError("a defect")

    bench.verifier._record = fail
    check = await bench.run(preset(file("a.bin", content=GOOD)))
    assert check.state is VerificationState.FAILED
    assert check.finished_at is not None


async def test_closing_stops_everything(bench: Bench, gate: Gate):
    """At shutdown no reading thread keeps the process alive."""
    for name in ("a.bin", "b.bin"):
        await bench.put(name)
    checks = [
        bench.verifier.start(preset(file(f"{name}.bin", content=GOOD), preset_id=name), {}) for name in ("a", "b")
    ]
    await gate.entered()
    closing = asyncio.create_task(bench.verifier.close())
    await asyncio.sleep(0)
    gate.open.set()
    await closing
    assert gate.readers == 0
    assert not any(check.active for check in checks)
