"""The kinds of model files that ComfyUI knows, under which names, in which folders, with which endings.

Source: ``folder_paths.py`` of ComfyUI 0.3.64 and 0.26. ``custom_nodes`` is left out on purpose: what lies there is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

STANDARD_EXTENSIONS = frozenset({".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"})


@dataclass(frozen=True, slots=True)
class Category:
    """One kind of model file.

    Args:
        folders: Folder names below a root in the order in which ComfyUI searches them; downloads go to the one that is
            named like the category.
        extensions: Lower-case endings that ComfyUI lists, with the dot; ``folder`` stands for whole folders and an empty
            text for names without ending. Without any, it lists every file.
        core: False for folders that only custom nodes read; they are told to ComfyUI where they exist.
    """

    name: str
    folders: tuple[str, ...]
    extensions: frozenset[str] = STANDARD_EXTENSIONS
    core: bool = True


def _plain(*names: str) -> tuple[Category, ...]:
    return tuple(Category(name, (name,)) for name in names)


def _of_nodes(*names: str) -> tuple[Category, ...]:
    return tuple(Category(name, (name,), frozenset(), core=False) for name in names)


CATEGORIES: tuple[Category, ...] = (
    *_plain("checkpoints"),
    Category("diffusion_models", ("unet", "diffusion_models")),
    Category("text_encoders", ("text_encoders", "clip")),
    *_plain("vae", "loras"),
    Category("controlnet", ("controlnet", "t2i_adapter")),
    *_plain("clip_vision", "style_models", "embeddings", "upscale_models", "latent_upscale_models", "model_patches"),
    *_plain("audio_encoders", "hypernetworks", "photomaker", "gligen", "vae_approx", "background_removal"),
    *_plain("detection", "frame_interpolation", "geometry_estimation", "optical_flow"),
    Category("configs", ("configs",), frozenset({".yaml"})),
    Category("diffusers", ("diffusers",), frozenset({"folder"})),
    Category("classifiers", ("classifiers",), frozenset({""})),
    *_of_nodes("animatediff_models", "animatediff_motion_lora", "facerestore_models", "insightface", "instantid"),
    *_of_nodes("ipadapter", "LLM", "sams", "TTS", "ultralytics"),
)

# Names of the same thing in older ComfyUI versions; ComfyUI maps the first two itself.
LEGACY: Mapping[str, str] = {
    "unet": "diffusion_models",
    "clip": "text_encoders",
    "t2i_adapter": "controlnet",
}

# Folder names of other programs (A1111, Forge, SwarmUI, ai-dock), in lower case.
FOREIGN_FOLDERS: Mapping[str, str] = {
    "stable-diffusion": "checkpoints",
    "stablediffusion": "checkpoints",
    "ckpt": "checkpoints",
    "lora": "loras",
    "lycoris": "loras",
    "text_encoder": "text_encoders",
    "esrgan": "upscale_models",
    "realesrgan": "upscale_models",
    "swinir": "upscale_models",
    "vae-approx": "vae_approx",
}

_BY_NAME = {category.name: category for category in CATEGORIES}
_BY_FOLDER = {
    **FOREIGN_FOLDERS,
    **{folder.lower(): category.name for category in CATEGORIES for folder in category.folders},
}


def category_named(name: str) -> Category | None:
    """Return the category called *name*, also by its legacy name, or None."""
    return _BY_NAME.get(LEGACY.get(name, name))


def category_of_folder(name: str) -> Category | None:
    """Return what a folder called *name* holds in ComfyUI or a program like it, in any case of letters, or None."""
    found = _BY_FOLDER.get(name.lower())
    return None if found is None else _BY_NAME[found]
