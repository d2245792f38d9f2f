"""An image and a volume in folders of the test: real files, and the real Python of this machine."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.volume import Found, Mount, Places, User, Wishes, prepare

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"lib/python{MINOR}/site-packages"


def make_package(site: Path, name: str, version: str = "1.0", text: str = "") -> None:
    """Install a package of one module, as pip would leave it."""
    module = name.replace("-", "_")
    (site / f"{module}-{version}.dist-info").mkdir(parents=True)
    (site / f"{module}-{version}.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    (site / f"{module}.py").write_text(text or f"VERSION = {version!r}\n")


def snapshot(folder: Path) -> dict[str, str]:
    """Return every entry below *folder* with what it holds."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = "folder" if path.is_dir() else path.read_text("utf-8", "replace")
    return found


def make_image(root: Path) -> Places:
    """Make the image below *root*: an environment with one package, two nodes, ComfyUI."""
    places = Places(
        root / "workspace", root / "run", root, root / "opt", Path(sys.base_prefix, "bin", f"python{MINOR}")
    )
    make_package(places.image_packages, "einops", "0.8.0")
    make_package(places.image_packages, "torch", "2.11.0")
    for node in ("ComfyUI-Impact-Pack", "rgthree-comfy"):
        (places.image_nodes / node).mkdir(parents=True)
    (places.comfyui / "comfy").mkdir(parents=True)
    (places.comfyui / "main.py").write_text("print('image')\n")
    (places.comfyui / "folder_paths.py").write_text("def get_system_user_directory(): ...\n")
    python = places.opt / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(places.system_python)
    places.workspace.mkdir()
    return places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """An image beside an empty volume."""
    return make_image(tmp_path)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter: pytest closes its own, and closes it again whenever another run begins."""
    folder = Path(tempfile.mkdtemp(prefix="hearth-open-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def mounts(places: Places) -> tuple[Mount, ...]:
    """The volume counts as mounted."""
    return mounted(places)


@pytest.fixture
def ready(places: Places, mounts: tuple[Mount, ...]) -> Callable[..., Found]:
    """Prepare the volume; keyword arguments are wishes."""

    def run(**wishes: object) -> Found:
        return prepare(places, USER, Wishes(**wishes), mounts)  # pyright: ignore[reportArgumentType]

    return run


USER = User(1000, 1000, "owner")


def mounted(places: Places) -> tuple[Mount, ...]:
    """Return a table of mounts in which the workspace is a volume of its own."""
    root = Mount(Path("/"), "overlay", "overlay", read_only=False)
    return (root, Mount(places.workspace, "ext4", "/dev/sda1", read_only=False))


def codes(found: Found) -> list[str]:
    """Return the codes of the notices."""
    return [notice.code for notice in found.notices]
