"""Whether the graphics card, its driver and PyTorch's build fit together, and which image does when they do not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.system.checks.finding import Check, CheckState
from backend.system.checks.installation import Installation
from backend.system.nvidia import Card, Cards, read_cards

_TABLE = Path(__file__).parents[3] / "config" / "cuda.json"
_VERSION = re.compile(r"^__version__\s*=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)
_CUDA = re.compile(r"^cuda\b[^=]*=\s*['\"]([\d.]+)['\"]", re.MULTILINE)
_HIP = re.compile(r"^hip\b[^=]*=\s*['\"]([\d.]+)", re.MULTILINE)
Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """What PyTorch was built for; no CUDA for a processor's build."""

    version: str
    cuda: str | None
    hip: str | None = None


@dataclass(frozen=True, slots=True)
class CudaBuild:
    """One row of config/cuda.json; ``tag`` is what the name of an image ends with."""

    tag: str
    cuda: str
    driver: Version
    capabilities: tuple[Version, ...]

    def serves(self, capability: Version) -> bool:
        """Tell whether it has code for such a card: the same generation, not a newer member of it (CUDA, binary compatibility)."""
        return any(each[0] == capability[0] and each[1] <= capability[1] for each in self.capabilities)


def cuda_builds(table: Path = _TABLE) -> tuple[list[CudaBuild], Mapping[Version, Version]]:
    """Read the table, newest build first, and the oldest driver that knows each new generation of cards; blocking."""
    content = json.loads(table.read_text("utf-8"))
    builds = [
        CudaBuild(tag, row["cuda"], version(row["driver"]), tuple(version(each) for each in row["capabilities"]))
        for tag, row in content["builds"].items()
    ]
    return builds, {version(name): version(driver) for name, driver in content["driver_of_capability"].items()}


def torch_build(prefixes: Sequence[Path]) -> TorchBuild | None:
    """Read what PyTorch in the first of *prefixes* that has one was built for, without loading it; blocking."""
    for prefix in prefixes:
        for path in sorted(prefix.glob("lib/python3.*/site-packages/torch/version.py")):
            try:
                text = path.read_text("utf-8")
            except OSError:
                continue
            if found := _VERSION.search(text):
                cuda, hip = _CUDA.search(text), _HIP.search(text)
                return TorchBuild(found[1], cuda[1] if cuda else None, hip[1] if hip else None)
    return None


def judge(cards: Cards, torch: TorchBuild | None) -> list[Check]:
    """Say whether *cards* and *torch* fit together; no side effects."""
    if torch is None:
        return [_cards_alone(cards)]
    if torch.hip is not None:
        return [Check("gpu", CheckState.OK, f"PyTorch {torch.version} is built for ROCm {torch.hip}.")]
    if not cards.cards:
        return [_no_card(cards, torch)]
    return [_fit(card, torch) for card in cards.cards]


def version(text: str) -> Version:
    """Turn ``580.65.06`` into numbers that compare."""
    return tuple(int(part) for part in re.findall(r"\d+", text))


def _graphics(installation: Installation) -> list[Check]:
    return judge(read_cards(), torch_build(installation.torch_prefixes))


def _cards_alone(cards: Cards) -> Check:
    if not cards.cards:
        return Check("gpu", CheckState.OK, f"No NVIDIA card can be seen: {cards.reason}")
    names = ", ".join(card.name for card in cards.cards)
    return Check(
        "gpu", CheckState.OK, f"{names}, driver {cards.cards[0].driver}; ComfyUI's PyTorch is not on this machine."
    )


def _no_card(cards: Cards, torch: TorchBuild) -> Check:
    if torch.cuda is None:
        return Check("gpu", CheckState.OK, f"PyTorch {torch.version} works on the processor; {cards.reason}")
    message = f"PyTorch {torch.version} is built for CUDA, and no NVIDIA card can be seen: {cards.reason}"
    hint = "Hand the card to the container (NVIDIA Container Toolkit), or use an image that ends with -cpu."
    return Check("gpu", CheckState.WARNING, message, hint, "docker run --gpus all …")


def _fit(card: Card, torch: TorchBuild) -> Check:
    builds, needed = cuda_builds()
    driver, capability = version(card.driver), version(card.capability)
    told = f"{card.name} (compute capability {card.capability or 'unknown'}, driver {card.driver})"
    if torch.cuda is None:
        message = f"{told} is not used: PyTorch {torch.version} is built for the processor."
        return Check("gpu", CheckState.WARNING, message, *_instead(builds, driver, capability, needed))
    build = next((each for each in builds if version(each.cuda) == version(torch.cuda)[:2]), None)
    if build is None:
        return Check("gpu", CheckState.OK, f"{told}; PyTorch {torch.version} is built for CUDA {torch.cuda}.")
    if capability and not build.serves(capability):
        message = f"{told} is not served by PyTorch {torch.version}, which has no code for it."
        return Check("gpu", CheckState.PROBLEM, message, *_instead(builds, driver, capability, needed))
    least = max(build.driver, needed.get(capability, ()))
    if driver and driver < least:
        wanted = ".".join(f"{part:02d}" if place == 2 else str(part) for place, part in enumerate(least))
        message = f"{told}: the driver is too old for PyTorch {torch.version}, which needs {wanted} or newer."
        hint, fix = _instead(builds, driver, capability, needed)
        return Check("gpu", CheckState.PROBLEM, message, f"Update the driver on the host. {hint}".strip(), fix)
    return Check("gpu", CheckState.OK, f"{told} is served by PyTorch {torch.version}.")


def _instead(
    builds: Sequence[CudaBuild], driver: Version, capability: Version, needed: Mapping[Version, Version]
) -> tuple[str, str]:
    """Return hint and image to use for a card: the newest build that it and its driver can run."""
    if driver and driver < needed.get(capability, ()):
        return "No image serves this card with this driver.", ""
    for build in builds:
        if (not capability or build.serves(capability)) and driver >= build.driver:
            return f"Use the image whose tag ends with -{build.tag}.", f"hearth/comfyui:standard-{build.tag}"
    return "No image serves this card with this driver.", ""


CHECKS: Sequence[Callable[[Installation], list[Check]]] = (_graphics,)
