"""kill -9 at any instant: the next run finds honest claims, fetches again at most what the last checkpoint missed, and ends
with the right bytes.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from backend.downloads.transfer import partial_bytes
from backend.downloads.transfer.state import load_state, part_path
from tests.fakes.content import Content
from tests.fakes.model_host import ModelHost, NoValidator, Slow

ROOT = Path(__file__).parents[3]
MIB = 1 << 20
RATE = 16e6  # bytes a second of one connection
CHECKPOINT_S = 2.0
BUFFERED = 8 * MIB  # what sockets and pipes between the two processes hold


def start(url: str, destination: Path, *promise: str) -> subprocess.Popen[str]:
    """Begin a fetch in a process of its own and wait until bytes arrive."""
    command = [sys.executable, "-m", "tests.downloads.transfer.child", url, str(destination), *promise]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip()
    return process


def kill(process: subprocess.Popen[str]) -> bool:
    """End a process as a power cut would; False when it was through already."""
    process.kill()
    process.communicate(timeout=30)
    return process.returncode != 0


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
    """Eighteen kills, with and without anything that proves which version it is."""
    chance = random.Random(20261124)
    for number, faults in enumerate([(), (), (NoValidator(),)]):
        content = Content.safetensors(40 * MIB + number, seed=number)
        url = model_host.put(f"/{number}", content, *faults, Slow(RATE))
        destination = tmp_path / f"{number}.safetensors"
        promise = [content.sha256] if number == 0 else []
        for _ in range(6):
            process = start(url, destination, *promise)
            time.sleep(chance.uniform(0.0, 0.9))  # the instant itself is what is tested: no signal tells it
            kill(process)
            if destination.exists():
                break
            assert is_honest(content, destination)
        if not destination.exists():
            model_host.put(f"/{number}", content, *faults)
            process = start(url, destination, *promise)
            assert process.communicate(timeout=60)[0].startswith("fetched")
        assert content.is_in(destination)
        leftovers = {path.name for path in tmp_path.iterdir()} - {f"{n}.safetensors" for n in range(3)}
        assert leftovers <= {f"{number}.safetensors.part.json"}, leftovers


def test_a_kill_costs_at_most_one_checkpoint(tmp_path: Path, model_host: ModelHost) -> None:
    """After three seconds at full speed at most two seconds' worth is fetched again."""
    content = Content.safetensors(200 * MIB, seed=9)
    url = model_host.put("/a", content, Slow(RATE))
    destination = tmp_path / "model.safetensors"
    process = start(url, destination)
    began = time.monotonic()
    model_host.wait_for(lambda _: time.monotonic() - began > 3.0)
    before, at = model_host.bytes_sent, time.monotonic()
    assert kill(process)
    speed = before / (at - began)
    durable = partial_bytes(destination) or 0
    assert durable >= before - CHECKPOINT_S * speed - BUFFERED
    assert durable > 0
    assert is_honest(content, destination)


def test_a_crash_between_the_name_and_the_tidying_leaves_a_good_file(tmp_path: Path, model_host: ModelHost) -> None:
    """The state of a part that has become the file is no claim on anything."""
    content = Content.safetensors(3 * MIB, seed=3)
    destination = tmp_path / "model.safetensors"
    content.write_to(destination)
    (tmp_path / "model.safetensors.part.json").write_text('{"version": 1, "identity": "the file", "ranges": []}')
    assert partial_bytes(destination) is None
    process = start(model_host.put("/a", content), destination, content.sha256)
    process.communicate(timeout=30)
    assert content.is_in(destination)
