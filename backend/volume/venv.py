"""Make ``/workspace/venv`` a thin layer on the image's environment: about ten small files, nothing copied.

``_image.pth`` puts the image's packages behind the user's own, so a package of the user shadows the image's and removing it
brings the image's back. A full environment of an older image is renamed, and its packages stay usable where its Python is of
the same minor version: ``_legacy.pth`` puts them behind the image's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from backend.volume.disk import Disk, is_empty, is_without_links
from backend.volume.findings import Notice, Packages
from backend.volume.packages import installed, site_packages_of
from backend.volume.places import Places

_IMAGE_PATHS = "_image.pth"
_LEGACY_PATHS = "_legacy.pth"

# Where links cannot be made: Python looks for its environment beside the name that it was called by.
_WRAPPER = '#!/bin/bash\nexec -a "$0" {python} "$@"\n'
_PIP = "#!{python}\nimport sys\n\nfrom pip._internal.cli.main import main\n\nsys.exit(main())\n"
_ACTIVATE = """\
# Source this from a POSIX shell: . {venv}/bin/activate
deactivate() {{
    PATH=$_HEARTH_OLD_PATH
    export PATH
    unset VIRTUAL_ENV _HEARTH_OLD_PATH
    unset -f deactivate
}}
_HEARTH_OLD_PATH=$PATH
VIRTUAL_ENV={venv}
PATH=$VIRTUAL_ENV/bin:$PATH
export VIRTUAL_ENV PATH
"""


class Layer(NamedTuple):
    """What ComfyUI is run with, and what the user's packages need."""

    python: Path
    symlinks: bool
    packages: Packages
    legacy: tuple[Path, ...]
    notices: tuple[Notice, ...]


def is_full(venv: Path) -> bool:
    """Tell whether *venv* is an environment that we did not make."""
    if not os.path.lexists(venv) or is_empty(venv):
        return False
    return not any((folder / _IMAGE_PATHS).exists() for folder in site_packages_of(venv).values())


def legacy_venvs(workspace: Path) -> tuple[Path, ...]:
    """Return full environments that were put aside, the newest first."""
    names = ("venv.legacy", *(f"venv.legacy.{number}" for number in range(2, 10)))
    return tuple(workspace / name for name in reversed(names) if (workspace / name).is_dir())


def put_aside(disk: Disk, places: Places) -> Path | None:
    """Rename a full environment; return its new place, or None when there was none."""
    if not is_full(places.venv):
        return None
    names = ("venv.legacy", *(f"venv.legacy.{number}" for number in range(2, 1000)))
    target = next(places.workspace / name for name in names if not os.path.lexists(places.workspace / name))
    disk.rename(places.venv, target)
    return target


def layer(disk: Disk, places: Places) -> Layer:
    """Make or mend the thin environment.

    Raises:
        OSError: The volume cannot be written.
    """
    put_aside(disk, places)
    before = tuple(site_packages_of(places.venv))
    building = places.venv if _is_ours(places.venv) else places.workspace / ".venv.new"
    symlinks = _fill(disk, places, building)
    if building != places.venv:
        disk.remove(places.venv)
        disk.rename(building, places.venv)
    legacy = legacy_venvs(places.workspace)
    _point_at_legacy(disk, places, legacy)
    packages = _compare(places, legacy, before)
    python, notices = _python(places, symlinks=symlinks)
    return Layer(python, symlinks, packages, legacy, (*notices, *_notice_of(packages)))


def _is_ours(venv: Path) -> bool:
    return venv.is_dir() and not is_empty(venv) and not is_full(venv)


def _fill(disk: Disk, places: Places, venv: Path) -> bool:
    """Write what is missing of *venv*, which will be at ``places.venv``; return whether links could be made."""
    final = places.venv
    site = venv / "lib" / f"python{places.minor}" / "site-packages"
    disk.folder(site)
    disk.folder(venv / "bin")
    version = ".".join(map(str, sys.version_info[:3]))
    home = places.system_python.parent
    disk.file(venv / "pyvenv.cfg", f"home = {home}\ninclude-system-site-packages = false\nversion = {version}\n")
    symlinks = _interpreters(disk, places, venv / "bin")
    disk.file(venv / "bin" / "activate", _ACTIVATE.format(venv=final))
    for name in ("pip", "pip3"):
        disk.file(venv / "bin" / name, _PIP.format(python=final / "bin" / "python"), 0o755)
    # addsitedir and not the bare path: packages such as setuptools have .pth files of their own.
    disk.file(site / _IMAGE_PATHS, f"import site; site.addsitedir({str(places.image_packages)!r})\n")
    return symlinks


def _interpreters(disk: Disk, places: Places, folder: Path) -> bool:
    names = ("python", "python3", f"python{places.minor}")
    try:
        for name in names:
            disk.link(folder / name, str(places.system_python) if name == "python" else "python")
    except OSError as error:
        if not is_without_links(error):
            raise
        for name in names:
            disk.file(folder / name, _WRAPPER.format(python=places.system_python), 0o755)
        return False
    return True


def _point_at_legacy(disk: Disk, places: Places, legacy: Iterable[Path]) -> None:
    folders = [found for venv in legacy if (found := site_packages_of(venv).get(places.minor))]
    if folders:
        disk.file(places.packages / _LEGACY_PATHS, "".join(f"{folder}\n" for folder in folders))
    else:
        disk.remove(places.packages / _LEGACY_PATHS)


def _compare(places: Places, legacy: Iterable[Path], before: tuple[str, ...]) -> Packages:
    """Find what was installed for another Python and is nowhere now."""
    others = [folder for venv in (places.venv, *legacy) for folder in _of_other_minors(places, venv)]
    if not others:
        return Packages(places.minor, None, ())
    wanted: dict[str, str] = {}
    for folder in others:
        wanted = {**installed(folder), **wanted}
    present = installed(places.image_packages).keys() | installed(places.packages).keys()
    missing = tuple(sorted(pin for name, pin in wanted.items() if name not in present))
    older = [version for version in before if version != places.minor]
    previous = older[-1] if older else others[0].parent.name.removeprefix("python")
    return Packages(places.minor, previous, missing)


def _of_other_minors(places: Places, venv: Path) -> list[Path]:
    return [folder for version, folder in site_packages_of(venv).items() if version != places.minor]


def _python(places: Places, *, symlinks: bool) -> tuple[Path, tuple[Notice, ...]]:
    python = places.venv / "bin" / "python"
    if symlinks:
        return python, ()
    cure = "Use a volume whose file system has symbolic links, such as ext4, xfs or a named Docker volume."
    if os.access(python, os.X_OK):
        return python, (
            Notice("no_symlinks", f"{places.workspace} has no symbolic links; small scripts replace them.", cure),
        )
    said = f"Programs on {places.workspace} cannot be run; ComfyUI runs without packages that were installed there."
    return places.opt / "venv" / "bin" / "python", (Notice("volume_noexec", said, cure),)


def _notice_of(packages: Packages) -> tuple[Notice, ...]:
    if not packages.reinstall:
        return ()
    said = (
        f"The image has Python {packages.current}, {len(packages.reinstall)} of your packages were installed for "
        f"{packages.previous} and must be installed again."
    )
    return (Notice("python_changed", said, f"pip install {' '.join(packages.reinstall)}"),)
