"""A workflow as ComfyUI's editor saves it, of classes that the simulated ComfyUI has."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def drawn(
    checkpoint: str, prompt: str = "a hearth", models: list[dict[str, str]] | None = None, **more: Any
) -> Document:
    """Text to image; *models* is what the loader says about its files, *more* further nodes by class with their title."""
    nodes = [
        _node(1, "CheckpointLoaderSimple", [checkpoint], [], ["MODEL", "CLIP", "VAE"], {"models": models or []}),
        _node(2, "CLIPTextEncode", [prompt], [("clip", "CLIP", 1)], ["CONDITIONING"]),
        _node(3, "CLIPTextEncode", ["blurry"], [("clip", "CLIP", 2)], ["CONDITIONING"]),
        _node(4, "EmptyLatentImage", [64, 64, 1], [], ["LATENT"]),
        _node(
            5,
            "KSampler",
            [7, "fixed", 2, 1.0, "euler", "normal", 1.0],
            [
                ("model", "MODEL", 3),
                ("positive", "CONDITIONING", 4),
                ("negative", "CONDITIONING", 5),
                ("latent_image", "LATENT", 6),
            ],
            ["LATENT"],
        ),
        _node(6, "VAEDecode", [], [("samples", "LATENT", 7), ("vae", "VAE", 8)], ["IMAGE"]),
        _node(7, "SaveImage", ["drawn"], [("images", "IMAGE", 9)], []),
    ]
    nodes += [
        {**_node(90 + rank, kind, [], [("a", "IMAGE", None)], ["IMAGE"]), "title": title}
        for rank, (kind, title) in enumerate(more.items())
    ]
    links = [
        [1, 1, 1, 2, 0, "CLIP"],
        [2, 1, 1, 3, 0, "CLIP"],
        [3, 1, 0, 5, 0, "MODEL"],
        [4, 2, 0, 5, 1, "CONDITIONING"],
        [5, 3, 0, 5, 2, "CONDITIONING"],
        [6, 4, 0, 5, 3, "LATENT"],
        [7, 5, 0, 6, 0, "LATENT"],
        [8, 1, 2, 6, 1, "VAE"],
        [9, 6, 0, 7, 0, "IMAGE"],
    ]
    return {"version": 0.4, "last_node_id": 99, "last_link_id": 9, "nodes": nodes, "links": links}


def _node(
    node_id: int,
    kind: str,
    values: list[Any],
    inputs: list[tuple[str, str, int | None]],
    outputs: list[str],
    properties: dict[str, Any] | None = None,
) -> Document:
    return {
        "id": node_id,
        "type": kind,
        "pos": [node_id * 100, 0],
        "mode": 0,
        "inputs": [{"name": name, "type": type_, "link": link} for name, type_, link in inputs],
        "outputs": [{"name": name, "type": name, "links": []} for name in outputs],
        "properties": properties or {},
        "widgets_values": values,
    }
