"""Make the model folders of a workspace without ever moving or deleting what is in them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from backend.logs import get_logger
from backend.paths.categories import CATEGORIES

log = get_logger(__name__)


def prepare(workspace: Path) -> None:
    """Make ``ComfyUI/models`` with a folder for each category, and ``models`` as a link to it; blocking.

    Where ``models`` holds files already (an older layout, or a volume mounted there) it stays and becomes the default,
    and ``ComfyUI/models`` becomes the link. Where links cannot be made both are plain folders. A link that leads nowhere
    now, because its volume is away, stays as it is.

    Raises:
        OSError: The workspace cannot be written.
    """
    inner, outer = _both(workspace)
    inner.parent.mkdir(parents=True, exist_ok=True)
    if _outer_comes_first(inner, outer):
        _make(outer)
        _link(inner, Path("../models"))
    else:
        _make(inner)
        if not outer.is_symlink():
            with suppress(OSError):
                outer.rmdir()  # only an empty folder can be removed, and an empty one is no one's data
        _link(outer, Path("ComfyUI/models"))
    default = default_roots(workspace)[0]
    if default.is_dir():
        for category in CATEGORIES:
            if category.core:
                _make(default / category.name)


def default_roots(workspace: Path) -> list[Path]:
    """Return the workspace's own roots, the one for downloads first; blocking."""
    inner, outer = _both(workspace)
    return [outer, inner] if _outer_comes_first(inner, outer) else [inner, outer]


def _both(workspace: Path) -> tuple[Path, Path]:
    return workspace / "ComfyUI" / "models", workspace / "models"


def _outer_comes_first(inner: Path, outer: Path) -> bool:
    """Tell whether ``models`` is more than a link to ``ComfyUI/models`` or an empty folder."""
    if outer.is_symlink() and outer.parent / outer.readlink() == inner:
        return False
    if inner.is_symlink() and inner.resolve() == outer.resolve():
        return True
    return outer.is_dir() and (outer.is_symlink() or outer.is_mount() or any(outer.iterdir()))


def _present(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _make(folder: Path) -> None:
    if not _present(folder):
        folder.mkdir(exist_ok=True)  # Hearth and ComfyUI's door make them at the same moment


def _link(link: Path, target: Path) -> None:
    if _present(link):
        return
    try:
        link.symlink_to(target, target_is_directory=True)
    except OSError as error:
        log.warning("model_folder_not_linked", link=str(link), reason=error.strerror or str(error))
        link.mkdir()
