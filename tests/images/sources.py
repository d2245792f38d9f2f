"""What an image build brings along when it may fetch nothing from GitHub: ComfyUI, nodes, locks and wheels as folders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
_HERE = Path(__file__).parent
_STANDIN_REQUIREMENTS = (
    "starlette",
    "uvicorn",
    "websockets",
    "pyyaml",
    "python-multipart",
    "torch",
    "torchvision",
    "torchaudio",
    "uv",
)
_STANDIN_TORCH = {"torch": "2.13.0+cpu", "torchvision": "0.28.0+cpu", "torchaudio": "2.11.0+cpu"}
# The code below the stand-in is the simulated server of the other tests.
_FAKE = Path("tests/fakes/comfyui")


@dataclass(frozen=True)
class Sources:
    """The bake variables of one build."""

    variables: dict[str, str] = field(default_factory=dict)
    is_real: bool = False


def collect(into: Path) -> Sources:
    """Lay out the folders below *into*; a checkout named by HEARTH_COMFYUI_SRC is used as it is, with the wheels at hand."""
    nodes = _nodes(into)
    locks = _made(into / "locks")
    variables = {"LOCKS": str(locks), "NODES_STANDARD": str(nodes["standard"]), "NODES_FULL": str(nodes["full"])}
    front_end = ROOT / "frontend" / "static" / "dist"
    if (front_end / "manifest.json").exists():
        variables["FRONTEND"] = str(front_end)
    checkout = os.environ.get("HEARTH_COMFYUI_SRC")
    if checkout:
        # Manager, and what ComfyUI imports without asking for it since transformers no longer brings it.
        (locks / "minimal.in").write_text("comfyui-manager\nrequests\n", "utf-8")
        variables |= {"COMFYUI_SRC": checkout, "WHEELS": _wheels_of_pip() or str(_made(into / "wheels"))}
        variables["TORCH_SPEC"] = os.environ.get("HEARTH_TORCH_SPEC", "torch torchvision torchaudio")
        return Sources(variables, is_real=True)
    variables |= {
        "COMFYUI_SRC": str(_standin(into / "comfyui")),
        "WHEELS": str(_standin_torch(_made(into / "wheels"))),
        "TORCH_SPEC": " ".join(f"{name}=={version}" for name, version in _STANDIN_TORCH.items()),
    }
    return Sources(variables)


def wheel(folder: Path, name: str, version: str, *, requires: tuple[str, ...] = (), code: str = "") -> Path:
    """Write a wheel with one module, which needs no build tool."""
    tag, info = "py3-none-any", f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(
        f"Requires-Dist: {each}\n" for each in requires
    )
    files = {
        f"{name}/__init__.py": code or f'__version__ = "{version}"\n',
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = f"{info}/RECORD"
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in {**files, record: "".join(f"{each},,\n" for each in (*files, record))}.items():
            # A fixed date: the same wheel is the same build context, and stays cached.
            archive.writestr(zipfile.ZipInfo(each, (2026, 1, 1, 0, 0, 0)), text)
    return path


def _standin(into: Path) -> Path:
    shutil.copytree(_HERE / "standin", into, ignore=shutil.ignore_patterns("__pycache__"))
    # The image leaves out the tests of a checkout, so the simulated server goes where they are not looked for.
    server = into / "simulated" / _FAKE
    shutil.copytree(ROOT / _FAKE, server, ignore=shutil.ignore_patterns("__pycache__"))
    for package in (server.parent.parent, server.parent, server):
        (package / "__init__.py").write_text("", "utf-8")
    (server / "server.py").unlink()  # its front door, a server in a thread, belongs to other tests
    (into / "comfyui_version.py").write_text('__version__ = "0.26.0"\n', "utf-8")
    (into / "requirements.txt").write_text("\n".join(_STANDIN_REQUIREMENTS) + "\n", "utf-8")
    return into


def _standin_torch(folder: Path) -> Path:
    for name, version in _STANDIN_TORCH.items():
        wheel(folder, name, version, code=f'__version__ = "{version}"\n')
    return folder


def _nodes(into: Path) -> dict[str, Path]:
    """One small node for each variant; that of the standard one needs a package, which its layer must bring."""
    found = {}
    for variant, requirement in (("standard", "colorama"), ("full", "")):
        folder = _made(into / f"nodes-{variant}" / f"hearth-test-{variant}")
        needs = f"import {requirement}\n" if requirement else ""
        (folder / "__init__.py").write_text(f"{needs}NODE_CLASS_MAPPINGS = {{}}\n", "utf-8")
        (folder / "requirements.txt").write_text(f"{requirement}\n", "utf-8")
        found[variant] = folder.parent
    return found


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _wheels_of_pip() -> str | None:
    """Return the folder of wheels that pip is configured with."""
    command = [sys.executable, "-m", "pip", "config", "get", "global.find-links"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    folder = asked.stdout.strip()
    return folder if folder and Path(folder).is_dir() else None
