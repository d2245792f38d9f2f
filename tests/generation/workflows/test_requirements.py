"""What is missing is named, and found in the promised order."""

from __future__ import annotations

from typing import Any

from backend.generation.workflows import (
    Document,
    ModelNeed,
    Offer,
    Source,
    convert,
    find_requirements,
    missing_nodes,
    resolve,
)
from tests.generation.workflows.desk import OBJECT_INFO, Desk, Ports, made, text_to_image

URL = "https://models.example/a/resolve/main/gone.safetensors"
SHA = "a" * 64


def model(name: str, **more: str) -> dict[str, Any]:
    return {"models": [{"name": name, "url": f"https://models.example/{name}", "directory": "checkpoints", **more}]}


def needs(desk: Desk, info: dict[str, Any] = OBJECT_INFO, installed: dict[str, list[str]] | None = None) -> Any:
    document = Document(desk.saved(), None)
    return find_requirements(document, convert(desk.saved(), info).graph, info, installed or {})


def nothing(_need: ModelNeed, _sha256: str | None) -> None:
    return None


def test_a_workflow_that_has_everything_needs_nothing():
    """Models that are there are listed as present."""
    desk, _ = text_to_image()
    found = needs(desk)
    assert found.is_met
    assert found.models == (ModelNeed("checkpoints", "a.safetensors", (("1", "ckpt_name"),), is_present=True),)


def test_a_model_that_cannot_be_chosen_is_missing():
    """Once, with every place that names it."""
    desk, nodes = text_to_image()
    nodes["loader"]["widgets_values"] = ["gone.safetensors"]
    second = desk.node("Loader", "gone.safetensors")
    desk.link(second, 2, nodes["decode"], "vae")
    found = needs(desk)
    (need,) = found.missing_models
    assert (need.directory, need.name) == ("checkpoints", "gone.safetensors")
    assert need.uses == (("1", "ckpt_name"), ("8", "ckpt_name"))
    assert not found.is_met


def test_what_does_not_run_needs_nothing():
    """Bypassed nodes, and nodes that lead nowhere."""
    desk, nodes = text_to_image()
    lora = desk.node("Lora", "gone.safetensors", 1.0, mode=4, properties=model("gone.safetensors"))
    desk.link(nodes["loader"], 0, lora, "model")
    desk.link(lora, 0, nodes["sampler"], "model")
    desk.node("Lora", "gone2.safetensors", 1.0)
    assert needs(desk).is_met


def test_the_category_follows_from_the_loader():
    """By the input's name, by what comes out, by what may be chosen, else by what the workflow says."""
    info = {
        **OBJECT_INFO,
        "Bigger": made({"model_name": [[], {}]}, ["UPSCALE_MODEL"]),
        "Odd": made({"file": [["known.safetensors"], {}]}, ["ODD"]),
        "Odder": made({"file": [[], {}]}, ["ODD"]),
        "Use": made({"a": ["UPSCALE_MODEL"], "b": ["ODD"], "c": ["ODD"]}, [], output_node=True),
    }
    desk = Desk()
    use = desk.node("Use", inputs={"a": "UPSCALE_MODEL", "b": "ODD", "c": "ODD"})
    for kind, name, target in (
        ("Bigger", "u.pth", "a"),
        ("Odd", "o.safetensors", "b"),
        ("Odder", "p.safetensors", "c"),
    ):
        properties = model(name) if kind == "Odder" else {}
        desk.link(desk.node(kind, name, inputs={}, outputs=info[kind]["output"], properties=properties), 0, use, target)
    found = needs(desk, info, {"loras": ["x.safetensors"], "own": ["known.safetensors"]})
    assert [(need.directory, need.name) for need in found.missing_models] == [
        ("upscale_models", "u.pth"),
        ("own", "o.safetensors"),
        ("checkpoints", "p.safetensors"),
    ]


def test_models_of_subgraphs_are_read():
    """Also of nested ones; addresses lead to the file itself."""
    inside = Desk()
    inside.node("Loader", "gone.safetensors", properties={
        "models": [
            {"name": "gone.safetensors", "directory": "checkpoints", "url": "https://huggingface.co/a/b/blob/main/g?download=true"},
            {"name": "bad", "directory": "x", "url": "ftp://x"}, "nonsense", {"name": "no address"},
        ]
    })  # fmt: skip
    ports = Ports()
    desk = Desk()
    desk.subgraph("sub", inside, ports)
    desk.node("sub", inputs={}, outputs=[])
    (offer,) = needs(desk).embedded
    assert offer == Offer(
        "checkpoints", "gone.safetensors", "https://huggingface.co/a/b/resolve/main/g", Source.WORKFLOW
    )


def test_unknown_classes_are_named_also_where_they_are_switched_off():
    """With the nodes that use them."""
    desk, _ = text_to_image()
    desk.node("Gone", inputs={}, outputs=["X"], mode=4, title="Mine")
    desk.node("Gone", inputs={}, outputs=["X"])
    (need,) = missing_nodes(Document(desk.saved(), None), OBJECT_INFO)
    assert (need.class_type, need.node_ids, need.titles) == ("Gone", ("8", "9"), ("Mine", "Gone"))
    graph = {"1": {"class_type": "Gone", "inputs": {}, "_meta": {"title": "T"}}}
    assert missing_nodes(Document(None, graph), OBJECT_INFO)[0].titles == ("T",)


def test_without_a_graph_what_the_workflow_says_counts():
    """Unknown nodes keep it from being converted, but not from saying what it needs."""
    desk = Desk()
    desk.node("Gone", inputs={}, outputs=["X"], properties=model("here.safetensors"))
    desk.node("Gone", inputs={}, outputs=["X"], properties=model("gone.safetensors"))
    found = find_requirements(
        Document(desk.saved(), None), None, OBJECT_INFO, {"checkpoints": ["deep/here.safetensors"]}
    )
    assert [need.name for need in found.missing_models] == ["gone.safetensors"]


NEED = ModelNeed("checkpoints", "gone.safetensors")
EMBEDDED = Offer("checkpoints", "gone.safetensors", URL, Source.WORKFLOW)
PRESET = Offer("checkpoints", "gone.safetensors", URL, Source.PRESET, 5, SHA, "MIT", None, preset_id="p")
KNOWN = Offer("checkpoints", "gone.safetensors", "https://other.example/x", Source.HASH)


def test_the_workflow_is_asked_first_then_presets_then_hashes():
    """The first that knows the file is taken."""
    chosen = [
        resolve([NEED], embedded, presets=presets, known=lambda *_: KNOWN)[0][1]
        for embedded, presets in (([EMBEDDED], nothing), ([], lambda *_: PRESET), ([], nothing))
    ]
    assert [offer and offer.source for offer in chosen] == [Source.WORKFLOW, Source.PRESET, Source.HASH]
    assert resolve([NEED], [], presets=nothing, known=nothing) == [(NEED, None)]


def test_a_preset_tells_what_the_workflow_does_not():
    """Size and licence are shown before anything is queued; the address stays the workflow's."""
    (pair,) = resolve([NEED], [EMBEDDED], presets=lambda *_: PRESET, known=nothing)
    offer = pair[1]
    assert offer is not None
    assert (offer.source, offer.url, offer.size_bytes, offer.licence, offer.sha256) == (
        Source.WORKFLOW,
        URL,
        5,
        "MIT",
        SHA,
    )
    assert offer.as_dict()["preset_id"] == "p"


def test_a_preset_of_other_bytes_tells_nothing():
    """Two files may have one name."""
    embedded = Offer("checkpoints", "gone.safetensors", URL, Source.WORKFLOW, sha256="b" * 64)
    (pair,) = resolve([NEED], [embedded], presets=lambda *_: PRESET, known=nothing)
    assert pair[1] == embedded


def test_the_hash_of_the_workflow_reaches_the_look_ups():
    """So that a file can be found under another name, and in the category that the workflow says."""
    asked: list[tuple[str | None, str | None]] = []

    def known(need: ModelNeed, sha256: str | None) -> None:
        asked.append((need.directory, sha256))

    embedded = Offer("loras", "gone.safetensors", URL, Source.WORKFLOW, sha256=SHA)
    resolve([ModelNeed(None, "sub/gone.safetensors")], [embedded], presets=known, known=nothing)
    assert asked == [("loras", SHA)]
