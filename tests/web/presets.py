"""Write small presets whose files lie on the test's own model host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.fakes.model_host import Content, ModelHost

MB = 1_000_000


def write_preset(folder: Path, preset_id: str, files: list[dict[str, Any]], **facts: Any) -> None:
    """Write one definition below *folder*."""
    document = {"schema": 1, "id": preset_id, "name": preset_id.capitalize(), "category": "image", "tags": ["test"]}
    document |= {"description": f"Files of {preset_id}.", "files": files, **facts}
    path = folder / document["category"] / f"{preset_id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), "utf-8")


def offer(host: ModelHost, name: str, size: int, *faults: Any, directory: str = "checkpoints") -> dict[str, Any]:
    """Put a sound file on *host* and return what a preset says about it."""
    content = Content.safetensors(size, seed=len(name))
    host.put(f"/{name}", content, *faults)
    url = host.url(f"/{name}")
    return {"directory": directory, "name": name, "url": url, "size_bytes": size, "sha256": content.sha256}
