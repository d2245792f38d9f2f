"""Law: the volumes of other images are recognised, and their folders are used where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.volume import LayoutKind, Mount, Places, Wishes, choose_workspace, prepare
from tests.volume.conftest import USER, codes, mounted

ROOT = Mount(Path("/"), "overlay", "overlay", read_only=False)


def _fill(base: Path, *names: str) -> None:
    for name in names:
        (base / name).mkdir(parents=True)
        (base / name / "something").write_text(str(base))


@pytest.mark.parametrize(
    "base", ["basedir", "comfy/mnt/ComfyUI", "root/ComfyUI", "comfyui", "app", "runpod-volume/ComfyUI"]
)
def test_folders_are_linked(places: Places, base: str) -> None:
    """Results, inputs, settings and nodes of another image's volume appear in ComfyUI's own; models are read beside ours."""
    _fill(places.root / base, "models", "output", "custom_nodes", "user")
    found = prepare(places, USER, Wishes(), mounted(places))
    assert found.layout is LayoutKind.FOREIGN
    assert found.notices == ()
    for name in ("output", "custom_nodes", "user"):
        assert (places.base / name).readlink() == places.root / base / name
    assert not (places.base / "input").is_symlink()
    assert found.model_roots == (str(places.root / base / "models"),)
    again = prepare(places, USER, Wishes(), mounted(places))
    assert again.model_roots == found.model_roots
    assert again.layout is LayoutKind.CURRENT


def test_models_are_linked_where_the_workspace_is_lost(places: Places) -> None:
    """Without a volume of our own, downloads go to the foreign one too."""
    _fill(places.root / "basedir", "models", "custom_nodes")
    found = prepare(places, USER, Wishes(), (ROOT, Mount(places.root / "basedir", "ext4", "x", read_only=False)))
    assert (places.base / "models").readlink() == places.root / "basedir" / "models"
    assert found.model_roots == ()
    assert codes(found) == ["workspace_not_mounted"]


def test_own_content_stays(places: Places) -> None:
    """Folders with content of the workspace are not replaced; foreign nodes are loaded beside them."""
    _fill(places.base, "output", "custom_nodes")
    _fill(places.root / "basedir", "output", "custom_nodes", "models")
    prepare(places, USER, Wishes(), mounted(places))
    assert not (places.base / "output").is_symlink()
    assert str(places.root / "basedir" / "custom_nodes") in places.node_paths.read_text()


def test_volume_that_went_away(places: Places) -> None:
    """Links into a volume that is not mounted today make room for folders, and come back with it."""
    _fill(places.root / "basedir", "models", "output")
    prepare(places, USER, Wishes(), mounted(places))
    (places.root / "basedir").rename(places.root / "away")
    found = prepare(places, USER, Wishes(), mounted(places))
    assert found.notices == ()
    assert (places.base / "output").is_dir()
    assert not (places.base / "output").is_symlink()
    (places.root / "away").rename(places.root / "basedir")
    prepare(places, USER, Wishes(), mounted(places))
    assert (places.base / "output").readlink() == places.root / "basedir" / "output"


def test_ai_dock(places: Places) -> None:
    """ai-dock's storage on the workspace is a root of models."""
    storage = places.workspace / "storage" / "stable_diffusion" / "models"
    _fill(storage, "ckpt", "lora")
    found = prepare(places, USER, Wishes(), mounted(places))
    assert found.foreign == ("ai-dock",)
    assert found.model_roots == (str(storage),)


def test_abdbarho(places: Places) -> None:
    """AbdBarho's two mounts give models, nodes and results."""
    _fill(places.root / "data" / "config" / "comfy", "custom_nodes")
    _fill(places.root / "data", "models")
    _fill(places.root, "output")
    found = prepare(places, USER, Wishes(), mounted(places))
    assert found.foreign == ("abdbarho",)
    assert (places.base / "output").readlink() == places.root / "output"


def test_mount_in_the_images_own_comfyui(places: Places) -> None:
    """Folders that are mounted into the image's ComfyUI are used; those of the image itself are not foreign."""
    _fill(places.comfyui, "models", "output")
    assert prepare(places, USER, Wishes(), mounted(places)).foreign == ()
    mount = Mount(places.comfyui / "models", "ext4", "x", read_only=False)
    found = prepare(places, USER, Wishes(), (*mounted(places), mount))
    assert found.foreign == ("opt",)
    assert found.model_roots == (str(places.comfyui / "models"),)


def test_only_volume_is_runpods(places: Places) -> None:
    """Where /runpod-volume is the only mount it becomes the workspace, unless another was named."""
    volume = places.root / "runpod-volume"
    volume.mkdir()
    only = (ROOT, Mount(volume, "fuse.mfs", "mfs", read_only=False))
    assert choose_workspace(places, only, explicit=False).workspace == volume
    assert choose_workspace(places, only, explicit=True).workspace == places.workspace
    assert choose_workspace(places, (*only, *mounted(places)[1:]), explicit=False).workspace == places.workspace
    found = prepare(choose_workspace(places, only, explicit=False), USER, Wishes(), only)
    assert found.layout is LayoutKind.FRESH
    assert found.filesystem.network
    assert not found.ephemeral


def test_older_hearth(places: Places) -> None:
    """A volume that Hearth used outside of a container counts as ours."""
    places.config.mkdir()
    (places.config / "hearth.db").write_text("")
    assert prepare(places, USER, Wishes(), mounted(places)).layout is LayoutKind.CURRENT
