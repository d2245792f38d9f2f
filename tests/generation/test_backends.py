"""Several ComfyUIs: what each has, what it holds in memory, and whether it takes work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from backend.comfyui import MissingModel
from backend.generation import GenerationJob, NewGeneration
from backend.generation.errors import BackendNotFound, BackendsUnknown
from tests.fakes.comfyui import SimulatedComfyUI
from tests.generation import graphs
from tests.generation.rig import ALICE, BOB, OWNER, Rig
from tests.live import free_port

pytestmark = pytest.mark.anyio

MODELS = (("a", "shared"), ("b", "shared"), ("c",))


@pytest.fixture
def servers(tmp_path: Path):
    """Three servers: two share a model, each has one of its own."""
    with ExitStack() as stack:
        made = []
        for number, names in enumerate(MODELS):
            folder = tmp_path / f"comfyui{number}" / "models" / "checkpoints"
            folder.mkdir(parents=True)
            for name in names:
                (folder / f"{name}.safetensors").write_bytes(b"x")
            made.append(stack.enter_context(SimulatedComfyUI(folder.parent.parent)))
        yield made


@pytest.fixture
async def three(anyio_backend: object, tmp_path: Path, servers: list[SimulatedComfyUI]) -> AsyncIterator[Rig]:
    """A generation service on them."""
    async with Rig(tmp_path / "hearth", [server.url for server in servers]) as rig:
        await rig.up()
        yield rig


def where(rig: Rig, job: GenerationJob) -> int:
    return [url.removeprefix("http://") for url in rig.urls].index(job.backend or "")


async def test_jobs_go_where_their_model_is(three: Rig) -> None:
    """And nowhere else, however busy."""
    names = ["a", "b", "c", "c", "b", "a"]
    jobs = [await three.submit(graphs.sample(f"{name}.safetensors", seed)) for seed, name in enumerate(names)]
    done = await three.ended(jobs)

    assert [job.state for job in done] == ["completed"] * 6
    assert [where(three, job) for job in done] == [0, 1, 2, 2, 1, 0]


async def test_a_backend_that_holds_the_model_is_preferred(three: Rig) -> None:
    """Learned from what it ran."""
    first = await three.until((await three.submit(graphs.sample("shared.safetensors", 1))).id)
    places = set()
    for seed in range(2, 6):
        job = await three.until((await three.submit(graphs.sample("shared.safetensors", seed))).id)
        places.add(where(three, job))

    assert places == {where(three, first)}
    shown = three.service.backends()[where(three, first)]
    assert (shown.state, shown.models) == ("ready", ["shared.safetensors"])


async def test_many_jobs_use_every_backend(three: Rig) -> None:
    """What needs nothing special is spread."""
    jobs = [await three.submit(graphs.slow(seed, seconds=0.2)) for seed in range(9)]
    done = await three.ended(jobs)

    assert {where(three, job) for job in done} == {0, 1, 2}


async def test_users_share_evenly(three: Rig, servers: list[SimulatedComfyUI]) -> None:
    """Who queued much first does not hold up who comes later."""
    for name in three.service._backends:
        if name != servers[0].url.removeprefix("http://"):
            await three.service.drain(name)
    servers[0].hold()
    flood = [await three.submit(graphs.quick(number), ALICE) for number in range(12)]
    late = [await three.submit(graphs.quick(100 + number), BOB) for number in range(3)]
    servers[0].release()
    done = await three.ended([*flood, *late])
    order = sorted(done, key=lambda job: job.finished_at or "")

    assert max(order.index(job) for job in done[12:]) < 8


async def test_higher_priorities_go_first(three: Rig, servers: list[SimulatedComfyUI]) -> None:
    """Among what waits."""
    for server in servers:
        server.hold()
    busy = [await three.submit(graphs.slow(seed)) for seed in range(3)]
    for job in busy:
        await three.until(job.id, "running")
    low = await three.submit(graphs.quick(1))
    high = await three.submit(graphs.quick(2), priority=10)
    assert (await three.service.get(high.id, OWNER)).position == 0
    assert (await three.service.get(low.id, OWNER)).position == 1
    for server in servers:
        server.release()
    await three.ended([*busy, low, high])


async def test_a_drained_backend_ends_what_it_does_and_takes_nothing_new(
    three: Rig, servers: list[SimulatedComfyUI]
) -> None:
    """Until it is asked to take work again."""
    job = await three.submit(graphs.sample("c.safetensors"))
    await three.until(job.id, "completed")
    name = servers[2].url.removeprefix("http://")
    assert (await three.service.drain(name)).draining
    waiting = await three.submit(graphs.sample("c.safetensors", 2))
    others = await three.ended([await three.submit(graphs.quick(number)) for number in range(3)])
    assert (await three.service.get(waiting.id, OWNER)).state == "queued"
    await three.service.drain(name, draining=False)

    assert (await three.until(waiting.id)).state == "completed"
    assert 2 not in {where(three, other) for other in others}
    with pytest.raises(BackendNotFound):
        await three.service.drain("nobody")


async def test_a_job_moves_on_from_a_backend_that_stays_away(three: Rig, servers: list[SimulatedComfyUI]) -> None:
    """After some time; it is executed twice at most, and is there once."""
    job = await three.submit(graphs.slow(1, seconds=20, steps=100))
    running = await three.until(job.id, "running", holds=lambda job: job.step is not None)
    dead = where(three, running)
    await asyncio.to_thread(servers[dead].stop)
    moved = await three.until(job.id, "running", holds=lambda job: job.attempts == 2)
    assert where(three, moved) != dead
    cancelled = await three.service.cancel(job.id, OWNER)

    assert cancelled.state == "cancelled"


async def test_a_job_that_nobody_can_run_any_more_fails_with_the_reason(
    three: Rig, servers: list[SimulatedComfyUI]
) -> None:
    """The model was deleted while it waited."""
    await three.service.drain(servers[2].url.removeprefix("http://"))
    job = await three.submit(graphs.sample("c.safetensors"))
    await asyncio.to_thread((servers[2].base / "models" / "checkpoints" / "c.safetensors").unlink)
    await three.service.backend(servers[2].url.removeprefix("http://")).refresh()
    failed = await three.until(job.id)

    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error["code"] == "missing_model"


async def test_a_backend_that_is_down_at_first_gets_what_waits(tmp_path: Path) -> None:
    """A graph is accepted and waits; what must be converted is not, with the time to try again."""
    base = tmp_path / "late"
    await asyncio.to_thread(base.mkdir)
    server = SimulatedComfyUI(base, free_port())
    async with Rig(tmp_path / "hearth", [server.url]) as rig:
        job = await rig.submit(graphs.quick())
        wrong = await rig.submit(graphs.sample("nothing.safetensors"))
        with pytest.raises(BackendsUnknown):
            await rig.service.submit(NewGeneration(workflow={"nodes": [], "links": []}), OWNER)
        assert rig.service.backends()[0].state == "unreachable"
        await asyncio.to_thread(server.start)
        done, failed = await rig.ended([job, wrong])
        with pytest.raises(MissingModel):
            await rig.submit(graphs.sample("nothing.safetensors"))
    await asyncio.to_thread(server.stop)

    assert done.state == "completed"
    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error["code"] == "missing_model"
