"""Find what is needed to run a checkout of ComfyUI."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from backend.comfyui.errors import NotInstalled

_PYTHONS = ("bin/python", "Scripts/python.exe")
# Beside main.py, or one folder up, where comfy-cli and the portable package put it.
_ENVIRONMENTS = (".venv", "venv", "../.venv", "../venv", "../python_embeded")
_VERSION = re.compile(r"""__version__\s*=\s*["']([^"']+)["']""")


@dataclass(frozen=True, slots=True)
class Installation:
    """A checkout, and the Python that has its packages; ``version`` is None where it does not say."""

    directory: Path
    python: Path
    version: str | None

    @classmethod
    def find(cls, directory: Path, *, python: Path | None = None) -> Installation:
        """Look at *directory*; blocking.

        Args:
            python: Use this one instead of looking for a virtual environment.
        Raises:
            NotInstalled: There is no ComfyUI, or no Python for it.
        """
        directory = directory.absolute()
        if not (directory / "main.py").is_file() or not (directory / "comfy").is_dir():
            raise NotInstalled(f"{directory} holds no checkout of ComfyUI (main.py and comfy/ are not there).")
        found = python or _python(directory)
        if found is None or not os.access(found, os.X_OK):
            raise NotInstalled(
                f"There is no Python for the ComfyUI in {directory}.",
                hint="Make a virtual environment .venv in it and install its requirements there.",
            )
        return cls(directory, found, _version(directory))


def _python(directory: Path) -> Path | None:
    candidates = [directory / place / python for place in _ENVIRONMENTS for python in _PYTHONS]
    candidates.append(directory / "../python_embeded/python.exe")
    # Not resolved: the link itself is what tells Python which environment it is in.
    return next((path for path in candidates if path.is_file()), None)


def _version(directory: Path) -> str | None:
    try:
        text = (directory / "comfyui_version.py").read_text("utf-8", "replace")
    except OSError:
        return None
    match = _VERSION.search(text)
    return match.group(1) if match else None
