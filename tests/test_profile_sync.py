"""The ways to give a volume its ComfyUI are measured by running them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_SCRIPT = Path(__file__).parents[1] / "scripts" / "profile_sync.py"


def test_every_way_is_run_and_told(tmp_path: Path) -> None:
    """The thin layer stays below 1 MB and leaves nothing behind; what is not possible here says why."""
    source = tmp_path / "opt"
    for number in range(200):
        path = source / "venv" / f"package{number % 10}" / f"module{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"#" * 4096)
    volume, out = tmp_path / "volume", tmp_path / "out"
    volume.mkdir()
    command = [
        sys.executable,
        str(_SCRIPT),
        "--volume",
        str(volume),
        "--source",
        str(source),
        "--runs",
        "1",
        "--out",
        str(out),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)

    measured = {one["name"]: one for one in json.loads((out / "volume_strategies.json").read_text())}
    assert measured["cp -a"]["inodes"] == 211
    assert measured["cp -a"]["bytes"] >= 200 * 4096
    assert measured["hard links"]["inodes"] == 11
    assert 0 < measured["thin layer"]["bytes"] < 1_000_000
    assert all((one["seconds"] is None) == bool(one["problem"]) for one in measured.values())
    assert (out / "volume_strategies.md").read_text() == done.stdout.rstrip("\n") + "\n"
    assert (out / "volume_strategies.svg").read_text().startswith("<svg")
    assert list(volume.iterdir()) == []
