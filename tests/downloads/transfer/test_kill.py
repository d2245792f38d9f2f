"""kill -9 at any instant: the next run finds honest claims, fetches again at most what the last checkpoint missed, and ends
with the right bytes.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from pathlib import Path

from backend.downloads.transfer import partial_bytes
from backend.downloads.transfer.state import load_state, part_path
from tests.downloads.transfer.child import fetch
from tests.fakes.content import Content
from tests.fakes.model_host import ModelHost, NoValidator, Slow

MIB = 1 << 20
RATE = 16e6  # bytes a second of one connection
CHECKPOINT_S = 2.0
BUFFERED = 8 * MIB  # what sockets and pipes between the two processes hold


_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.downloads.transfer.child"])


class Child:
    """A fetch in a process of its own."""

    def __init__(self, url: str, destination: Path, sha256: str | None) -> None:
        self._words, theirs = _processes.Pipe(duplex=False)
        self._process = _processes.Process(target=fetch, args=(url, destination, sha256, theirs.send), daemon=True)
        self._process.start()
        theirs.close()
        self.said = self.hear()

    def hear(self) -> str:
        """Wait for the next word: ``begun``, or how it ended."""
        assert self._words.poll(30)
        return str(self._words.recv())

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.join(30)

    def finish(self) -> str:
        """Let it come to its end and return its last word."""
        while self.said == "begun":
            self.said = self.hear()
        self._process.join(30)
        return self.said


def is_honest(content: Content, destination: Path) -> bool:
    """Tell whether every byte that the state claims is in the part and right."""
    state = load_state(destination)
    if state is None:
        return True
    with part_path(destination).open("rb") as part:
        for start_, stop in state.ranges:
            part.seek(start_)
            if part.read(stop - start_) != content.read(start_, stop):
                return False
    return True


def test_a_download_survives_being_killed_at_random_instants(tmp_path: Path, model_host: ModelHost) -> None:
    """Eighteen kills, with a checksum, with an ETag only, and without anything that proves which version it is."""
    chance = random.Random(20261124)
    for number, faults in enumerate([(), (), (NoValidator(),)]):
        content = Content.safetensors(40 * MIB + number, seed=number)
        url = model_host.put(f"/{number}", content, *faults, Slow(RATE))
        destination = tmp_path / f"{number}.safetensors"
        promise = content.sha256 if number == 0 else None
        for _ in range(6):
            child = Child(url, destination, promise)
            time.sleep(chance.uniform(0.0, 0.9))  # the instant itself is what is tested: no signal tells it
            child.kill()
            if destination.exists():
                break
            assert is_honest(content, destination)
        if not destination.exists():
            model_host.put(f"/{number}", content, *faults)
            assert Child(url, destination, promise).finish().startswith("fetched")
        assert content.is_in(destination)
        leftovers = {path.name for path in tmp_path.iterdir() if path.suffix != ".safetensors"}
        assert leftovers <= {f"{n}.safetensors.part.json" for n in range(number + 1)}, leftovers


def test_a_kill_costs_at_most_one_checkpoint(tmp_path: Path, model_host: ModelHost) -> None:
    """After three seconds at full speed at most two seconds' worth is fetched again."""
    content = Content.safetensors(200 * MIB, seed=9)
    url = model_host.put("/a", content, Slow(RATE))
    destination = tmp_path / "model.safetensors"
    child = Child(url, destination, None)
    began = time.monotonic()
    model_host.wait_for(lambda _: time.monotonic() - began > 3.0)
    before, at = model_host.bytes_sent, time.monotonic()
    child.kill()
    speed = before / (at - began)
    durable = partial_bytes(destination) or 0
    assert durable >= before - CHECKPOINT_S * speed - BUFFERED
    assert durable > 0
    assert is_honest(content, destination)


def test_a_crash_between_the_name_and_the_tidying_leaves_a_good_file(tmp_path: Path, model_host: ModelHost) -> None:
    """The state of a part that has become the file is no claim on anything, and the next run clears it away."""
    content = Content.safetensors(3 * MIB, seed=3)
    destination = content.write_to(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors.part.json").write_text('{"version": 1, "identity": "the file", "ranges": []}')
    assert partial_bytes(destination) is None
    assert Child(model_host.put("/a", content), destination, content.sha256).finish() == "fetched 0"
    assert content.is_in(destination)
    assert [path.name for path in tmp_path.iterdir()] == [destination.name]


def test_a_slow_line_loses_seconds_and_not_blocks(tmp_path: Path, model_host: ModelHost) -> None:
    """At 200 kB/s a block takes five seconds to fill; what has arrived before the last two is durable all the same."""
    content = Content.safetensors(4 * MIB, seed=5)
    model_host.put("/slow.bin", content, Slow(200e3))
    destination = tmp_path / "slow.safetensors"
    child = Child(model_host.url("/slow.bin"), destination, content.sha256)
    assert child.said == "begun"
    deadline = time.monotonic() + 30
    while not partial_bytes(destination):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.kill()

    durable = partial_bytes(destination) or 0
    assert 0 < durable < MIB, "the block was handed over before it was full"
    assert is_honest(content, destination)
