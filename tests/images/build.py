"""The four variants, built once for all tests of a session."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.images.engine import ENVIRON, Engine
from tests.images.sources import Sources, collect

VARIANTS = ("minimal", "standard", "full", "dev")
_BUILD_S = 1500
_IMAGE = "hearth-test/comfyui"
_CACHE = "8gb"


@dataclass(frozen=True)
class Images:
    """What was built: its tags by variant, and how long it took."""

    sources: Sources
    seconds: float
    with_code_server: bool

    def tag(self, variant: str) -> str:
        """Return the name of a variant's image."""
        return f"{_IMAGE}:{variant}-cpu"


def plan(engine: Engine, *targets: str, **variables: str) -> dict[str, Any]:
    """Return what ``bake --print`` says of *targets*; that needs no daemon."""
    done = engine.run("buildx", "bake", "--print", *targets, **variables)
    return json.loads(done.stdout)


def build(engine: Engine, folder: Path) -> Images:
    """Build every variant for the CPU. HEARTH_TEST_CODE_SERVER=npm adds code-server to dev, two minutes of compiling."""
    sources = collect(folder)
    code_server = ENVIRON.get("HEARTH_TEST_CODE_SERVER", "none")
    begin = time.monotonic()
    engine.run(
        "buildx", "bake", "cpu", timeout=_BUILD_S, IMAGE=_IMAGE, CODE_SERVER=code_server, BUILDX_NO_DEFAULT_ATTESTATIONS="1",
        **sources.variables,
    )  # fmt: skip
    seconds = time.monotonic() - begin
    # What earlier runs left: images without a name, and a cache that would grow for ever.
    engine.run("image", "prune", "-f", check=False)
    if engine.is_own:
        engine.run("buildx", "prune", "-f", "--keep-storage", _CACHE, check=False)
    return Images(sources, seconds, code_server != "none")
