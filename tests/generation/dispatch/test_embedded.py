"""The embedded engine keeps the contract."""

from __future__ import annotations

import pytest

from backend.generation.dispatch import EmbeddedDispatch
from tests.generation.dispatch.contract import *  # noqa: F403 -- the laws are its tests
from tests.generation.dispatch.contract import Engine, task, worker

pytestmark = pytest.mark.anyio


@pytest.fixture(name="engine")
def embedded() -> Engine:
    """Make embedded engines."""
    return EmbeddedDispatch


async def test_places_follow_the_order_in_which_tasks_would_be_served(engine: Engine) -> None:
    """Priority first, then owners by what each has had; what is held has no place."""
    dispatch = engine()
    for order, (name, owner, priority) in enumerate(
        [("a1", "alice", 0), ("a2", "alice", 0), ("b1", "bob", 0), ("urgent", "bob", 5)]
    ):
        await dispatch.put(task(name, owner_id=owner, priority=priority, order=order))

    assert dispatch.positions() == {"urgent": 0, "a1": 1, "a2": 2, "b1": 3}
    await dispatch.pull(worker())
    assert "urgent" not in dispatch.positions()
