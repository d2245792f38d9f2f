"""What every dispatch engine must do; a test module of an engine imports these laws and offers a fixture ``engine``.

``engine`` is a function that makes an open engine with a lease time in seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from backend.generation.dispatch import Dispatch, LeaseLost, Report, Task, Worker
from backend.kit.clock import monotonic_s

Engine = Callable[..., Dispatch]
SOON_S = 0.1


def task(task_id: str, **facts: object) -> Task:
    values: dict[str, object] = {"owner_id": "owner", "priority": 0, "order": 0, "waiting_since_s": monotonic_s()}
    return Task(task_id, **{**values, **facts})  # type: ignore[arg-type]


def worker(name: str = "one") -> Callable[[], Worker]:
    return lambda: Worker(name, classes=frozenset())


async def nothing_for(engine: Dispatch, name: str = "one") -> bool:
    """Tell whether a pull finds nothing for a while; it is cancelled then."""
    try:
        async with asyncio.timeout(SOON_S):
            await engine.pull(worker(name))
    except TimeoutError:
        return True
    return False


async def test_a_pull_waits_for_a_task(engine: Engine) -> None:
    """And gets what was put."""
    dispatch = engine()
    pulling = asyncio.ensure_future(dispatch.pull(worker()))
    await asyncio.sleep(0)
    await dispatch.put(task("a"))
    lease = await asyncio.wait_for(pulling, 5)

    assert lease.task.id == "a"
    assert lease.deliveries == 1


async def test_a_task_is_held_by_one(engine: Engine) -> None:
    """Until it is given back; then it is delivered again, after the delay that was asked for."""
    dispatch = engine()
    await dispatch.put(task("a"))
    lease = await dispatch.pull(worker())
    assert await nothing_for(dispatch, "two")
    await lease.nak(0.3)
    assert await nothing_for(dispatch, "two")
    again = await asyncio.wait_for(dispatch.pull(worker("two")), 5)

    assert (again.task.id, again.deliveries) == ("a", 2)


@pytest.mark.parametrize("end", ["ack", "term"])
async def test_what_is_done_or_hopeless_is_forgotten(engine: Engine, end: str) -> None:
    """It is not delivered again."""
    dispatch = engine()
    await dispatch.put(task("a"))
    lease = await dispatch.pull(worker())
    await getattr(lease, end)()

    assert await nothing_for(dispatch)


async def test_a_lease_that_is_not_extended_runs_out(engine: Engine) -> None:
    """Somebody else gets the task, and the first holder is told."""
    dispatch = engine(lease_s=0.15)
    await dispatch.put(task("a"))
    lost = await dispatch.pull(worker())
    again = await asyncio.wait_for(dispatch.pull(worker("two")), 5)
    with pytest.raises(LeaseLost):
        await lost.extend()
    await lost.ack()  # changes nothing any more
    await again.nak()

    assert (await dispatch.pull(worker())).deliveries == 3


async def test_a_lease_that_is_extended_holds(engine: Engine) -> None:
    """For as long as it is."""
    dispatch = engine(lease_s=0.3)
    await dispatch.put(task("a"))
    lease = await dispatch.pull(worker())
    for _ in range(6):
        assert await nothing_for(dispatch, "two")
        await lease.extend()


async def test_what_is_withdrawn_is_not_delivered(engine: Engine) -> None:
    """The answer tells whether somebody holds it; a lease on it may end in any way."""
    dispatch = engine()
    await dispatch.put(task("a"))
    assert await dispatch.withdraw("a")
    assert await nothing_for(dispatch)
    await dispatch.put(task("b"))
    lease = await dispatch.pull(worker())
    assert not await dispatch.withdraw("b")
    await lease.nak()

    assert await nothing_for(dispatch)


async def test_what_is_put_again_while_it_is_held_comes_when_it_is_free(engine: Engine) -> None:
    """After a withdrawal the end of the old lease does not touch it."""
    dispatch = engine()
    await dispatch.put(task("a"))
    lease = await dispatch.pull(worker())
    await dispatch.withdraw("a")
    await dispatch.put(task("a", priority=5))
    assert await nothing_for(dispatch, "two")
    await lease.ack()
    again = await asyncio.wait_for(dispatch.pull(worker("two")), 5)

    assert again.task.priority == 5


async def test_a_cancelled_pull_takes_nothing(engine: Engine) -> None:
    """The task is there for the next one."""
    dispatch = engine()
    assert await nothing_for(dispatch)
    await dispatch.put(task("a"))

    assert (await asyncio.wait_for(dispatch.pull(worker("two")), 5)).task.id == "a"


async def test_a_worker_that_can_do_more_is_asked_again(engine: Engine) -> None:
    """After a nudge."""
    dispatch = engine()
    able = [False]
    await dispatch.put(task("a"))
    pulling = asyncio.ensure_future(dispatch.pull(lambda: Worker("one", takes_work=able[0], classes=frozenset())))
    await asyncio.sleep(SOON_S)
    assert not pulling.done()
    able[0] = True
    await dispatch.nudge()

    assert (await asyncio.wait_for(pulling, 5)).task.id == "a"


async def test_signals_reach_who_listens(engine: Engine) -> None:
    """On their channel, while they listen."""
    dispatch = engine()
    heard: list[object] = []
    dispatch.emit("news", 0)
    with dispatch.on("news", heard.append):
        dispatch.emit("news", 1)
        dispatch.emit("other", 2)
        await asyncio.sleep(0)
    dispatch.emit("news", 3)
    await asyncio.sleep(0)

    assert heard == [1]


async def test_a_report_is_taken_in_before_its_recorder_goes_on(engine: Engine) -> None:
    """In order; what the follower raises comes back, and the next report is taken in all the same."""
    dispatch = engine()
    taken: list[str] = []

    async def take_in(report: Report) -> None:
        if report.kind == "bad":
            raise ValueError("refused")
        taken.append(report.kind)

    following = asyncio.ensure_future(dispatch.follow(take_in))
    await dispatch.record(Report("a", "first", {}))
    assert taken == ["first"]
    with pytest.raises(ValueError, match="refused"):
        await dispatch.record(Report("a", "bad", {}))
    await dispatch.record(Report("a", "second", {}))
    following.cancel()

    assert taken == ["first", "second"]
