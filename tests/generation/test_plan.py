"""The nodes of a graph: the order in which they can run, and how far each of them is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.generation import in_order, nodes_of
from tests.generation import graphs
from tests.generation.rig import OWNER, Rig


def test_a_node_comes_after_those_that_feed_it() -> None:
    """With the author's title, or its class; each once."""
    graph = graphs.sample("a.safetensors")
    graph["2"]["_meta"] = {"title": "Prompt"}
    told = in_order(graph)
    assert [node.id for node in told] == ["1", "2", "3", "4", "5", "6"]
    assert [node.title for node in told][:3] == ["CheckpointLoaderSimple", "Prompt", "EmptyLatentImage"]


def test_what_is_no_graph_has_no_nodes() -> None:
    """A sidecar that somebody edited breaks no page."""
    assert in_order({}) == []
    assert in_order({"1": "node"}) == []


@given(st.integers(0, 400), st.randoms(use_true_random=False))
def test_every_node_is_there_once_and_after_its_sources(count: int, dice: object) -> None:
    """Whatever the order in which they are written; links to nodes that are not there are left out."""
    from random import Random

    assert isinstance(dice, Random)
    ids = [str(number) for number in range(count)]
    graph = {
        node_id: {
            "class_type": "Any",
            "inputs": {f"in{n}": [dice.choice([*ids[:place], "gone"]), 0] for n in range(dice.randint(0, 3))},
        }
        for place, node_id in enumerate(ids)
    }
    mixed = list(graph.items())
    dice.shuffle(mixed)
    told = [node.id for node in in_order(dict(mixed))]
    assert sorted(told) == sorted(ids)
    places = {node_id: place for place, node_id in enumerate(told)}
    for node_id, node in graph.items():
        for source, _ in node["inputs"].values():
            assert source == "gone" or places[source] < places[node_id]


@pytest.mark.anyio
async def test_each_node_is_told_as_it_is(rig: Rig) -> None:
    """Known before, at work, done; what is left out waits, and a job that ended tells of none."""
    await rig.until((await rig.submit(graphs.quick(5))).id)
    slow, slower = graphs.slow(seconds=0.5)["1"], graphs.slow(seed=2, seconds=1.0)["1"]
    ends = {"save": graphs.save("slow", "slow"), "late": graphs.save("slower", "slower")}
    job = await rig.submit({"slow": slow, "slower": slower, **ends, **graphs.quick(5)})
    at_first = await rig.until(job.id, "running", holds=lambda job: job.step is not None)
    then = await rig.until(job.id, "running", holds=lambda job: "done" in job.nodes.values())
    done = await rig.until(job.id)

    assert {"1": "cached", "2": "cached"}.items() <= at_first.nodes.items()
    assert "running" in at_first.nodes.values()
    assert {"slow", "slower"} & {node_id for node_id, state in then.nodes.items() if state == "done"}
    assert done.nodes == {}
    record = await rig.service.record(job.id, OWNER)
    assert [node.id for node in nodes_of(record)] == ["slow", "save", "slower", "late", "1", "2"]
