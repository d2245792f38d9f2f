"""Which classes of nodes there are, with the lists of files as they are on disk now."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.fakes.comfyui.folders import model_files

_OWN = Path(__file__).parent / "object_info.json"
_FOLDER_OF = {
    "ckpt_name": "checkpoints", "vae_name": "vae", "lora_name": "loras", "clip_name": "text_encoders",
    "clip_name1": "text_encoders", "clip_name2": "text_encoders", "unet_name": "diffusion_models",
    "control_net_name": "controlnet",
}  # fmt: skip


class Catalogue:
    """GET /object_info of the simulated server.

    Args:
        source: Another recording of the real answer, to have more classes.
    """

    def __init__(self, base: Path, source: Path | None = None) -> None:
        self._base = base
        self._source = source or _OWN

    def __contains__(self, class_type: object) -> bool:
        return class_type in _read(self._source)

    def shows(self, class_type: str) -> bool:
        return bool(_read(self._source)[class_type].get("output_node"))

    def outputs(self, class_type: str) -> list[str]:
        return _read(self._source)[class_type]["output"]

    def entry(self, class_type: str) -> dict[str, Any]:
        """Return one class with fresh lists."""
        entry = copy.deepcopy(_read(self._source)[class_type])
        for section in ("required", "optional"):
            for name, spec in (entry["input"].get(section) or {}).items():
                files = self._files(class_type, name)
                if files is not None and isinstance(spec[0], list):
                    spec[0] = files
                elif files is not None and spec[0] == "COMBO":
                    spec[1]["options"] = files
        return entry

    def document(self) -> dict[str, Any]:
        return {name: self.entry(name) for name in _read(self._source)}

    def _files(self, class_type: str, name: str) -> list[str] | None:
        if class_type in ("LoadImage", "LoadImageMask") and name == "image":
            return _inputs(self._base, (".png", ".jpg", ".jpeg", ".webp", ".gif"))
        if (class_type, name) in (("LoadAudio", "audio"), ("LoadVideo", "file")):
            return _inputs(self._base, (".mp4", ".webm", ".flac", ".mp3", ".wav"))
        folder = (
            "upscale_models" if (class_type, name) == ("UpscaleModelLoader", "model_name") else _FOLDER_OF.get(name)
        )
        if folder is None:
            return None
        names = [path.relative_to(root).as_posix() for root, path in model_files(self._base, folder)]
        return [*names, "pixel_space"] if folder == "vae" else names


def _inputs(base: Path, endings: tuple[str, ...]) -> list[str]:
    folder = base / "input"
    return (
        sorted(path.name for path in folder.iterdir() if path.name.lower().endswith(endings)) if folder.is_dir() else []
    )


@cache
def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))
