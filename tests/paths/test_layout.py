"""Downloads land where ComfyUI looks, and no name leads anywhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.paths import CATEGORIES, ModelPaths, PathError, UnknownCategory, UnsafePath
from backend.paths.workspace import default_roots


def open_paths(workspace: Path, *extra: Path | str, probes: tuple[Path, ...] = ()) -> ModelPaths:
    return ModelPaths.open(workspace, [str(entry) for entry in extra], probes=probes)


def put(root: Path, *names: str) -> Path:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"weights")
    return root


# The folders of the workspace


def test_a_new_workspace_has_a_folder_per_category_and_the_promised_link(workspace: Path) -> None:
    """``<workspace>/models`` leads to ``<workspace>/ComfyUI/models``; a second start changes nothing."""
    paths = open_paths(workspace)
    before = sorted(workspace.rglob("*"))
    again = open_paths(workspace)

    assert paths.roots() == again.roots() == (workspace / "ComfyUI" / "models",)
    assert (workspace / "models").readlink() == Path("ComfyUI/models")
    assert all((workspace / "models" / c.name).is_dir() for c in CATEGORIES if c.core)
    assert sorted(workspace.rglob("*")) == before


def test_models_of_an_older_layout_stay_and_become_the_default(workspace: Path) -> None:
    """Nothing is moved; ComfyUI's own folder becomes the link instead."""
    put(workspace / "models", "checkpoints/old.safetensors")
    paths = open_paths(workspace)

    assert paths.roots() == (workspace / "models",)
    assert (workspace / "ComfyUI" / "models").resolve() == workspace / "models"
    assert paths.destination("loras", "a.safetensors") == workspace / "models" / "loras" / "a.safetensors"
    assert paths.find("checkpoints", "old.safetensors") == workspace / "models" / "checkpoints" / "old.safetensors"


def test_two_real_folders_are_both_searched(workspace: Path) -> None:
    """When both hold files, neither is touched and both are roots."""
    put(workspace / "models", "vae/a.safetensors")
    put(workspace / "ComfyUI" / "models", "vae/b.safetensors")
    paths = open_paths(workspace)

    assert paths.roots() == (workspace / "models", workspace / "ComfyUI" / "models")
    assert paths.find("vae", "a.safetensors")
    assert paths.find("vae", "b.safetensors")


def test_a_link_that_the_owner_made_is_respected(workspace: Path, tmp_path: Path) -> None:
    """``models`` may lead to another disk, even an empty one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (workspace / "models").symlink_to(disk)
    paths = open_paths(workspace)

    assert paths.roots() == (workspace / "models",)
    assert (disk / "checkpoints").is_dir()


@pytest.mark.parametrize("name", ["models", "ComfyUI/models"])
def test_a_link_whose_disk_is_away_stays_and_stops_nothing(workspace: Path, name: str) -> None:
    """A dangling link is the owner's; the start goes on and the file for ComfyUI is written."""
    (workspace / "ComfyUI").mkdir()
    (workspace / name).symlink_to("/nonexistent/disk")
    paths = open_paths(workspace)

    assert (workspace / name).readlink() == Path("/nonexistent/disk")
    assert paths.extra_model_paths.is_file()
    assert paths.difference() is None


def test_the_predecessors_link_the_other_way_round_is_kept(workspace: Path) -> None:
    """``ComfyUI/models`` leading to an empty ``models`` must not lose its target."""
    (workspace / "ComfyUI").mkdir()
    (workspace / "models").mkdir()
    (workspace / "ComfyUI" / "models").symlink_to("../models")
    paths = open_paths(workspace)

    assert paths.roots() == (workspace / "models",)
    assert (workspace / "ComfyUI" / "models" / "vae").is_dir()


def test_an_empty_folder_gives_way_to_the_link(workspace: Path) -> None:
    """An image may have made ``models`` beforehand; there is nothing in it to lose."""
    (workspace / "models").mkdir()
    open_paths(workspace)

    assert (workspace / "models").is_symlink()


def test_without_links_both_are_plain_folders(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network and FAT volumes know no links."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)
    paths = open_paths(workspace)

    assert not (workspace / "models").is_symlink()
    assert paths.roots() == (workspace / "ComfyUI" / "models", workspace / "models")


# Destinations


def test_every_category_has_a_destination_that_is_searched(workspace: Path) -> None:
    """What is put where downloads go is found by its name."""
    paths = open_paths(workspace)
    for category in CATEGORIES:
        destination = paths.destination(f"{category.name}/some/sub", "weights.bin")
        put(destination.parent, destination.name)
        assert destination == paths.folder(category.name) / "some" / "sub" / "weights.bin"
        assert paths.find(f"{category.name}/some/sub", "weights.bin") == destination


@pytest.mark.parametrize(
    ("legacy", "folder"),
    [("unet", "diffusion_models"), ("clip", "text_encoders"), ("t2i_adapter", "controlnet")],
)
def test_legacy_names_mean_todays_categories(workspace: Path, legacy: str, folder: str) -> None:
    """New files go to the folder of today; files in the old folder are still found."""
    paths = open_paths(workspace)
    put(paths.roots()[0] / legacy, "old.safetensors")

    assert paths.destination(legacy, "new.safetensors").parent.name == folder
    assert paths.find(folder, "old.safetensors") == paths.roots()[0] / legacy / "old.safetensors"
    assert paths.find(legacy, "old.safetensors") == paths.roots()[0] / legacy / "old.safetensors"


@pytest.mark.parametrize("directory", ["checkpoint", "Loras", "custom_nodes", "models", "etc"])
def test_unknown_categories_are_named(workspace: Path, directory: str) -> None:
    """A folder that ComfyUI does not search is refused, custom_nodes most of all: what lies there is run."""
    paths = open_paths(workspace)
    with pytest.raises(UnknownCategory):
        paths.destination(directory, "a.safetensors")
    assert paths.find(directory, "a.safetensors") is None


def test_a_near_miss_is_suggested(workspace: Path) -> None:
    """Names of other programs and typing errors lead to the right one."""
    paths = open_paths(workspace)
    for wrong, right in (("Stable-diffusion", "checkpoints"), ("Lora", "loras"), ("text_encoder", "text_encoders")):
        with pytest.raises(UnknownCategory) as caught:
            paths.destination(wrong, "a.safetensors")
        assert repr(right) in caught.value.hint


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("", "a"), ("/", "a"), ("/etc", "a"), ("checkpoints/", "a"), ("checkpoints//x", "a"), ("..", "a"),
        ("checkpoints/..", "a"), ("checkpoints/../..", "a"), ("checkpoints/./x", "a"), ("checkpoints\\x", "a"),
        ("checkpoints/\0", "a"), ("checkpoints/\n", "a"), ("checkpoints/" + "x/" * 20 + "y", "a"),
        ("checkpoints", ""), ("checkpoints", "."), ("checkpoints", ".."), ("checkpoints", "../a"),
        ("checkpoints", "/etc/passwd"), ("checkpoints", "a/b"), ("checkpoints", "a\\b"), ("checkpoints", "a\0.bin"),
        ("checkpoints", "ä" * 128), ("checkpoints", "a.safetensors.part"), ("checkpoints", "a.part.json"),
        ("checkpoints", "a:b.pt"), ("checkpoints", "a?.pt"), ("checkpoints", "a."), ("checkpoints", " a"),
        ("checkpoints/x ", "a.pt"),
    ],
)  # fmt: skip
def test_names_that_are_no_names_are_refused(workspace: Path, directory: str, name: str) -> None:
    """Nothing upward, absolute, unprintable, too long, changed by a share, or like our own temporary files."""
    with pytest.raises(UnsafePath):
        open_paths(workspace).destination(directory, name)


@given(directory=st.text(max_size=40), name=st.text(max_size=40))
def test_whatever_is_typed_stays_inside(tmp_path_factory: pytest.TempPathFactory, directory: str, name: str) -> None:
    """Any text either names a place inside the models folder or is refused with an error of ours."""
    workspace = tmp_path_factory.getbasetemp() / "fence"
    workspace.mkdir(exist_ok=True)
    paths = ModelPaths(workspace, (), probes=())
    for typed in (directory, f"checkpoints/{directory}", f"loras/{directory}/../{name}"):
        try:
            destination = paths.destination(typed, name)
        except PathError:
            continue
        assert destination.resolve().is_relative_to(paths.roots()[0].resolve())


def test_a_link_out_of_the_models_is_no_way_out(workspace: Path, tmp_path: Path) -> None:
    """A sub-folder may lead to another place among the models, but not outside."""
    paths = open_paths(workspace)
    (paths.folder("loras") / "out").symlink_to(tmp_path)
    (paths.folder("loras") / "shared").symlink_to(paths.folder("checkpoints"))

    with pytest.raises(UnsafePath):
        paths.destination("loras/out", "a.safetensors")
    with pytest.raises(UnsafePath):
        paths.destination("loras/out/deeper", "a.safetensors")
    assert paths.destination("loras/shared", "a.safetensors").parent.name == "shared"


def test_a_category_may_be_kept_on_another_disk(workspace: Path, tmp_path: Path) -> None:
    """The folder of a category is its owner's to link; below it the fence stands there."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (workspace / "ComfyUI" / "models").mkdir(parents=True)
    (workspace / "ComfyUI" / "models" / "checkpoints").symlink_to(disk)
    paths = open_paths(workspace)
    (disk / "out").symlink_to(tmp_path)

    assert paths.destination("checkpoints/sub", "a.safetensors").resolve() == disk / "sub" / "a.safetensors"
    with pytest.raises(UnsafePath):
        paths.destination("checkpoints/out", "a.safetensors")


# Finding


def test_the_first_root_wins_and_within_it_comfyuis_order(workspace: Path, tmp_path: Path) -> None:
    """As in ComfyUI: the default root first, in it ``unet`` before ``diffusion_models``, then other roots."""
    mount = put(tmp_path / "mount", "diffusion_models/a.safetensors", "unet/a.safetensors", "loras/.keep")
    paths = open_paths(workspace, mount)
    found = [paths.find("diffusion_models", "a.safetensors")]
    for folder in ("diffusion_models", "unet"):
        put(paths.roots()[0] / folder, "a.safetensors")
        found.append(paths.find("diffusion_models", "a.safetensors"))

    default = paths.roots()[0]
    assert found == [
        mount / "unet" / "a.safetensors",
        default / "diffusion_models" / "a.safetensors",
        default / "unet" / "a.safetensors",
    ]


def test_linked_files_are_found_and_dangling_ones_are_not(workspace: Path, tmp_path: Path) -> None:
    """People link large files from a shared cache; a link to nothing is nothing."""
    paths = open_paths(workspace)
    put(tmp_path, "cache.bin")
    (paths.folder("vae") / "linked.safetensors").symlink_to(tmp_path / "cache.bin")
    (paths.folder("vae") / "gone.safetensors").symlink_to(tmp_path / "nothing")

    assert paths.find("vae", "linked.safetensors")
    assert paths.find("vae", "gone.safetensors") is None


# Mounts


def test_mounts_are_recognised_by_what_is_in_them(workspace: Path, tmp_path: Path) -> None:
    """At the probe itself, in its usual sub-folders, or one level below; a diffusers repository is no collection."""
    plain = put(tmp_path / "a", "checkpoints/x.ckpt")
    nested = put(tmp_path / "b", "ComfyUI/models/loras/x.pt")
    below = put(tmp_path / "c", "sdxl/upscale_models/x.pt", "notes/readme.txt")
    put(tmp_path / "d", "sd15/vae/x.bin", "sd15/unet/x.bin", "sd15/text_encoder/x.bin", "sd15/controlnet/x.bin")
    paths = open_paths(workspace, probes=(plain, nested, below, tmp_path / "d", tmp_path / "nothing"))

    assert paths.roots()[1:] == (plain, nested / "ComfyUI" / "models", below / "sdxl")


def test_folders_of_other_programs_count_as_their_categories(workspace: Path, tmp_path: Path) -> None:
    """The layout of A1111 and Forge is understood, in any case of letters."""
    webui = put(tmp_path / "webui", "models/Stable-diffusion/a.ckpt", "models/Lora/b.pt", "models/VAE/c.pt")
    paths = open_paths(workspace, webui)

    assert paths.roots()[1:] == (webui / "models",)
    assert paths.find("checkpoints", "a.ckpt") == webui / "models" / "Stable-diffusion" / "a.ckpt"
    assert paths.find("loras", "b.pt") == webui / "models" / "Lora" / "b.pt"
    assert paths.find("vae", "c.pt") == webui / "models" / "VAE" / "c.pt"


def test_a_named_folder_counts_even_when_it_is_empty(workspace: Path, tmp_path: Path) -> None:
    """EXTRA_MODEL_PATHS is an order; a folder that does not exist is left out until it does."""
    named = tmp_path / "named"
    paths = open_paths(workspace, named)
    assert paths.roots()[1:] == ()

    named.mkdir()
    assert paths.refresh()
    assert paths.roots()[1:] == (named,)


def test_one_folder_under_two_names_is_one_root(workspace: Path, tmp_path: Path) -> None:
    """Links and repetitions do not multiply roots, nor does naming the workspace itself."""
    mount = put(tmp_path / "mount", "loras/a.pt")
    (tmp_path / "link").symlink_to(mount)
    paths = open_paths(workspace, mount, tmp_path / "link", workspace, workspace / "models", probes=(mount,))

    assert paths.roots() == (workspace / "ComfyUI" / "models", mount)


def test_refresh_follows_mounts_as_they_come_and_go(workspace: Path, tmp_path: Path) -> None:
    """A mount that goes away leaves the file, because ComfyUI breaks on listed folders that vanish."""
    mount = tmp_path / "mount"
    paths = open_paths(workspace, probes=(mount,))
    assert not paths.refresh()

    put(mount, "checkpoints/a.ckpt")
    assert paths.refresh()
    assert str(mount) in paths.extra_model_paths.read_text()
    assert paths.find("checkpoints", "a.ckpt")
    assert not paths.refresh()

    mount.rename(tmp_path / "unmounted")
    assert paths.refresh()
    assert str(mount) not in paths.extra_model_paths.read_text()
    assert paths.roots() == tuple(default_roots(workspace)[:1])
