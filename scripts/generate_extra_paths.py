"""Write extra_model_paths.yaml for ComfyUI, or check it: ``python scripts/generate_extra_paths.py [--check]``.

A thin door to ``backend.paths``; WORKSPACE and EXTRA_MODEL_PATHS of the environment count as they do for Hearth.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from backend.config import load_settings
from backend.errors import HearthError
from backend.logs import configure_logs
from backend.paths import ModelPaths


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the file; 0 when it is right, 1 when it is not, 2 when it cannot be made."""
    parser = argparse.ArgumentParser(description="Tell ComfyUI where models are.")
    parser.add_argument("--workspace", type=Path, help="folder of Hearth; default: WORKSPACE")
    parser.add_argument("--check", action="store_true", help="write nothing, say whether the file is right")
    chosen = parser.parse_args(arguments)
    try:
        settings, _ = load_settings(os.environ)
        configure_logs("error", settings.log_format)
        workspace = chosen.workspace or settings.workspace
        return (_check if chosen.check else _write)(workspace, settings.extra_model_paths)
    except (HearthError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def _check(workspace: Path, extra: Sequence[str]) -> int:
    difference = ModelPaths(workspace, extra).difference()
    print(difference or "extra_model_paths.yaml is right.")
    return 1 if difference else 0


def _write(workspace: Path, extra: Sequence[str]) -> int:
    paths = ModelPaths.open(workspace, extra)
    for problem in paths.problems:
        print(problem, file=sys.stderr)
    if not paths.extra_model_paths.is_file():
        return 2
    print(paths.extra_model_paths)
    for root in paths.roots():
        print(f"  {root}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
