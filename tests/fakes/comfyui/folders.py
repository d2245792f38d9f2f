"""Where ComfyUI looks for models, and what it finds there."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

_WEIGHTS = frozenset({".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"})
FOLDERS: dict[str, tuple[str, ...]] = {
    "checkpoints": ("checkpoints",), "configs": ("configs",), "loras": ("loras",), "vae": ("vae",),
    "text_encoders": ("text_encoders", "clip"), "diffusion_models": ("unet", "diffusion_models"),
    "clip_vision": ("clip_vision",), "style_models": ("style_models",), "embeddings": ("embeddings",),
    "diffusers": ("diffusers",), "vae_approx": ("vae_approx",), "controlnet": ("controlnet", "t2i_adapter"),
    "gligen": ("gligen",), "upscale_models": ("upscale_models",), "custom_nodes": (), "hypernetworks": ("hypernetworks",),
    "photomaker": ("photomaker",), "classifiers": ("classifiers",), "model_patches": ("model_patches",),
    "audio_encoders": ("audio_encoders",),
}  # fmt: skip
_OLD_NAMES = {"unet": "diffusion_models", "clip": "text_encoders"}
HIDDEN = frozenset({"configs", "custom_nodes"})  # /experiment/models leaves these out


def search_paths(base: Path) -> dict[str, list[Path]]:
    """Return the search path of every category: its own folders first, then those of the configuration."""
    found = {name: [base / "models" / each for each in own] for name, own in FOLDERS.items()}
    path = base / "extra_model_paths.yaml"
    sections = yaml.safe_load(path.read_text("utf-8")) if path.exists() else {}
    for section in sections.values():
        _add_section(found, dict(section), path.parent)
    return found


def model_files(base: Path, category: str) -> list[tuple[Path, Path]]:
    """List (search folder, file) of a category; the first of equal names wins."""
    seen: dict[str, tuple[Path, Path]] = {}
    for folder in search_paths(base)[category]:
        for path in _walk(folder):
            if category not in ("configs", "diffusers", "classifiers") and path.suffix.lower() not in _WEIGHTS:
                continue
            seen.setdefault(path.relative_to(folder).as_posix(), (folder, path))
    return [seen[name] for name in sorted(seen)]


def _add_section(found: dict[str, list[Path]], section: dict[str, str], beside: Path) -> None:
    base = section.pop("base_path", None)
    is_default = bool(section.pop("is_default", False))
    root = beside / os.path.expandvars(os.path.expanduser(base)) if base else beside
    for category, paths in section.items():
        for line in str(paths).split("\n"):
            if line:
                folders = found.setdefault(_OLD_NAMES.get(category, category), [])
                path = root / line
                if path in folders:
                    folders.remove(path)
                folders.insert(0 if is_default else len(folders), path)


def _walk(folder: Path) -> list[Path]:
    return [
        Path(where) / name for where, _, names in os.walk(folder, followlinks=True) for name in names
        if not name.startswith(".")
    ]  # fmt: skip
