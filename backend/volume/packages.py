"""Read the names of installed packages off the folder names, without importing anything."""

from __future__ import annotations

import os
import re
from pathlib import Path

_SEPARATORS = re.compile(r"[-_.]+")
_TOOLS = {"pip", "setuptools", "wheel", "pkg-resources"}


def canonical(name: str) -> str:
    """Return *name* as the packaging rules compare it (PEP 503)."""
    return _SEPARATORS.sub("-", name).lower()


def installed(site_packages: Path) -> dict[str, str]:
    """Return ``name==version`` by canonical name; empty where the folder is not."""
    found: dict[str, str] = {}
    try:
        entries = os.listdir(site_packages)  # noqa: PTH208 -- names are enough
    except OSError:
        return found
    for entry in entries:
        stem, dot, _ = entry.rpartition(".dist-info")
        name, dash, version = stem.rpartition("-")
        if dot and dash and canonical(name) not in _TOOLS:
            found[canonical(name)] = f"{name}=={version}"
    return found


def site_packages_of(venv: Path) -> dict[str, Path]:
    """Return the package folders of *venv* by Python version (``3.11``), the newest last."""
    found: dict[tuple[int, ...], tuple[str, Path]] = {}
    try:
        names = os.listdir(venv / "lib")  # noqa: PTH208
    except OSError:
        names = []
    for name in names:
        version = name.removeprefix("python")
        folder = venv / "lib" / name / "site-packages"
        if version != name and version.replace(".", "").isdigit() and folder.is_dir():
            found[tuple(map(int, version.split(".")))] = (version, folder)
    return dict(found[key] for key in sorted(found))
