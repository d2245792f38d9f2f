"""Graphs in API format that the simulated ComfyUI can run."""

from __future__ import annotations

from typing import Any

Graph = dict[str, Any]


def slow(seed: int = 1, seconds: float = 0.3, steps: int = 5, *, previews: bool = False, outputs: int = 1) -> Graph:
    """Take about *seconds*, then save."""
    inputs = {"steps": steps, "seconds": seconds, "previews": previews, "seed": seed}
    graph: Graph = {"1": {"class_type": "TestSlowProgress", "inputs": inputs, "_meta": {"title": "The slow one"}}}
    for number in range(outputs):
        graph[f"save{number}"] = save("1", f"slow{number}")
    return graph


def quick(color: int = 0) -> Graph:
    """Save a small picture at once; another colour is another picture."""
    image = {"width": 16, "height": 16, "batch_size": 1, "color": color}
    return {"1": {"class_type": "EmptyImage", "inputs": image}, "2": save("1", "quick")}


def blocking(seconds: float) -> Graph:
    """Not look whether it should stop."""
    return {
        "1": {"class_type": "TestBlockingSleep", "inputs": {"seconds": seconds, "seed": 1}},
        "2": save("1", "blocked"),
    }


def fail(kind: str, message: str = "on purpose") -> Graph:
    """Fail as *kind* does."""
    image = {"width": 16, "height": 16, "batch_size": 1, "color": 0}
    inputs = {"kind": kind, "message": message, "image": ["0", 0]}
    return {
        "0": {"class_type": "EmptyImage", "inputs": image},
        "1": {"class_type": "TestFail", "inputs": inputs, "_meta": {"title": "Breaks"}},
        "2": save("1", "failed"),
    }


def sample(checkpoint: str, seed: int = 1) -> Graph:
    """Load a checkpoint and sample with it."""
    text = {"text": "a hearth", "clip": ["1", 1]}
    latent = {"width": 64, "height": 64, "batch_size": 1}
    sampler = {
        "seed": seed, "steps": 2, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
        "model": ["1", 0], "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0],
    }  # fmt: skip
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "2": {"class_type": "CLIPTextEncode", "inputs": text},
        "3": {"class_type": "EmptyLatentImage", "inputs": latent},
        "4": {"class_type": "KSampler", "inputs": sampler},
        "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["1", 2]}},
        "6": save("5", "sampled"),
    }


def socket_image(color: int) -> Graph:
    """Deliver a picture over the socket alone."""
    image = {"width": 16, "height": 16, "batch_size": 1, "color": color}
    deliver = {"class_type": "SaveImageWebsocket", "inputs": {"images": ["1", 0]}}
    return {"1": {"class_type": "EmptyImage", "inputs": image}, "2": deliver}


def save(source: str, prefix: str) -> Graph:
    """Save what *source* makes."""
    return {"class_type": "SaveImage", "inputs": {"images": [source, 0], "filename_prefix": prefix}}
