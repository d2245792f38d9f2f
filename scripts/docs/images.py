"""Tables about the images: which build serves which card, which nodes a variant brings."""

from __future__ import annotations

import json
import re
from pathlib import Path

_ROOT = Path(__file__).parent.parent.parent
_TORCH = re.compile(
    r'^\s+"(?P<key>[\w-]+)"\s*= \{ wheels = "(?P<wheels>[\w.]+)", spec = "torch==(?P<torch>[\d.]+) ', re.MULTILINE
)


def torch_of_builds() -> dict[str, tuple[str, str]]:
    """Return (index of the wheels, version of torch) of every build in docker-bake.hcl."""
    text = (_ROOT / "docker-bake.hcl").read_text("utf-8")
    return {match["key"]: (match["wheels"], match["torch"]) for match in _TORCH.finditer(text)}


def cuda_block() -> str:
    """Return the table of the CUDA builds, from config/cuda.json and docker-bake.hcl."""
    builds = json.loads((_ROOT / "config" / "cuda.json").read_text("utf-8"))["builds"]
    torch = torch_of_builds()
    rows = [
        "| Tag ends with | torch, wheels | Driver at least | Compute capability | Serves |",
        "|---|---|---|---|---|",
    ]
    for key, build in builds.items():
        capabilities = f"{build['capabilities'][0]} to {build['capabilities'][-1]}"
        wheels, version = torch[key]
        rows.append(f"| `{key}` | {version}, `{wheels}` | {build['driver']} | {capabilities} | {build['serves']} |")
    return "\n".join(rows)


def nodes_block() -> str:
    """Return what the standard and the full variant bring in custom nodes."""
    rows = ["| Since | Custom node | Commit |", "|---|---|---|"]
    for variant in ("standard", "full"):
        for line in (_ROOT / "config" / "nodes" / f"{variant}.txt").read_text("utf-8").splitlines():
            if line and not line.startswith("#"):
                address, commit = line.split()
                name = "/".join(address.split("/")[-2:])
                rows.append(f"| {variant} | [{name}]({address}) | `{commit[:10]}` |")
    return "\n".join(rows)


def sizes_block() -> str:
    """Return the budget of the images that the tests build, from tests/images/budget.json."""
    budget = json.loads((_ROOT / "tests" / "images" / "budget.json").read_text("utf-8"))
    rows = ["| Variant | Without torch and nodes, at most |", "|---|---|"]
    rows += [f"| {variant} | {megabytes} MB |" for variant, megabytes in budget.items()]
    return "\n".join(rows)
