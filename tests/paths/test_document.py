"""extra_model_paths.yaml never stops ComfyUI, and nothing that a person wrote is ever lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from backend.paths import CATEGORIES, ModelPaths
from backend.paths.document import render
from backend.paths.errors import InvalidModelPaths
from backend.paths.reader import add_sections, read_sections

ROOT = Path(__file__).parents[2]
USERS = "extra_model_paths.user.yaml"


def open_paths(workspace: Path, *extra: Path | str) -> ModelPaths:
    return ModelPaths.open(workspace, [str(entry) for entry in extra], probes=())


def search_paths(paths: ModelPaths, known: dict[str, list[str]] | None = None) -> dict[str, list[str]]:
    """Read the written file as ComfyUI does."""
    sections = read_sections(paths.extra_model_paths.read_text())
    return add_sections(sections, paths.extra_model_paths.parent, known or {})


def test_comfyui_searches_the_workspace_first_and_in_its_own_order(workspace: Path, tmp_path: Path) -> None:
    """The default section is written backwards, because ComfyUI puts each of its lines in front."""
    mount = tmp_path / "mount"
    mount.mkdir()
    paths = open_paths(workspace, mount)
    search = search_paths(paths, {"diffusion_models": ["/opt/ComfyUI/models/unet"]})
    models = paths.roots()[0]

    assert search["diffusion_models"] == [
        str(models / "unet"), str(models / "diffusion_models"), "/opt/ComfyUI/models/unet",
        str(mount / "unet"), str(mount / "diffusion_models"),
    ]  # fmt: skip
    for category in CATEGORIES:
        if category.core:
            folders = [str(root / folder) for root in (models, mount) for folder in category.folders]
            assert [folder for folder in search[category.name] if not folder.startswith("/opt")] == folders


def test_only_known_categories_are_named(workspace: Path) -> None:
    """An unknown key would list every file of its folder, and custom_nodes would run code from a mount."""
    paths = open_paths(workspace)
    sections = yaml.safe_load(paths.extra_model_paths.read_text())
    core = {category.name for category in CATEGORIES if category.core}

    assert all(set(section) - {"is_default"} == core for section in sections.values())
    assert "custom_nodes" not in search_paths(paths)


def test_folders_of_custom_nodes_are_named_where_they_exist(workspace: Path, tmp_path: Path) -> None:
    """Their nodes look for them by the same names."""
    (tmp_path / "mount" / "ipadapter").mkdir(parents=True)
    paths = open_paths(workspace, tmp_path / "mount")

    assert search_paths(paths)["ipadapter"] == [str(tmp_path / "mount" / "ipadapter")]


@pytest.mark.parametrize(
    "name", ["with space", " edge ", "$HOME", "~", "ünïcödé", "a: b", "#hash", "'quotes\"", "- dash", "tab\tin", "%"]
)
def test_any_name_of_a_folder_reaches_comfyui_as_it_is(workspace: Path, tmp_path: Path, name: str) -> None:
    """Neither YAML nor the expansion of variables changes a path."""
    mount = tmp_path / name
    mount.mkdir()
    paths = open_paths(workspace, mount)

    assert str(mount / "checkpoints") in search_paths(paths)["checkpoints"]
    assert str(mount / "clip") in search_paths(paths)["text_encoders"]


def test_a_folder_that_the_file_cannot_name_is_left_out(workspace: Path, tmp_path: Path) -> None:
    """A line break would become two folders, and a name that is not UTF-8 could not be written."""
    (tmp_path / "line\nbreak").mkdir()
    os.mkdir(os.fsencode(tmp_path) + b"/\xff\xfe")
    paths = open_paths(workspace, tmp_path / "line\nbreak", os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))

    assert len(paths.roots()) == 1
    assert paths.problems == ()


def test_it_is_written_only_when_something_changed(workspace: Path) -> None:
    """The same folders leave the same file, untouched."""
    first = open_paths(workspace).extra_model_paths.stat()
    again = open_paths(workspace).extra_model_paths.stat()

    assert (first.st_ino, first.st_mtime_ns) == (again.st_ino, again.st_mtime_ns)


def test_a_hand_written_file_is_kept_and_its_sections_count(workspace: Path, tmp_path: Path) -> None:
    """Byte for byte beside ours, and its sections are in ours, at once and after every later change."""
    written = f"# mine, with a comment\nmine:\n  base_path: {tmp_path}\n  loras: my loras\n  ipadapter: ip\nempty:\n"
    path = workspace / "ComfyUI" / "extra_model_paths.yaml"
    path.parent.mkdir()
    path.write_text(written)
    paths = open_paths(workspace)

    assert (path.parent / USERS).read_text() == written
    assert search_paths(paths)["loras"][-1] == str(tmp_path / "my loras")
    (tmp_path / "mount").mkdir()
    again = open_paths(workspace, tmp_path / "mount")
    assert search_paths(again)["ipadapter"] == [str(tmp_path / "ip")]
    assert (path.parent / USERS).read_text() == written


def test_what_a_hand_written_section_finds_is_found(workspace: Path, tmp_path: Path) -> None:
    """A preset whose file lies in such a folder is installed, as ComfyUI would load it."""
    (tmp_path / "my loras").mkdir()
    (tmp_path / "my loras" / "a.safetensors").write_bytes(b"weights")
    (workspace / "ComfyUI").mkdir()
    (workspace / "ComfyUI" / USERS).write_text("mine:\n  base_path: ../..\n  loras: my loras\n")

    assert open_paths(workspace).find("loras", "a.safetensors") == tmp_path / "my loras" / "a.safetensors"


def test_an_edit_of_our_file_is_kept_too(workspace: Path) -> None:
    """Whoever adds a section under ours finds it in the user's file, the older user's file as a numbered copy."""
    paths = open_paths(workspace)
    path = paths.extra_model_paths
    (path.parent / USERS).write_text("older:\n  vae: /older\n")
    path.write_text(path.read_text() + "newer:\n  vae: /newer\n")

    assert "edited by hand" in (paths.difference() or "")
    assert paths.refresh()
    assert paths.difference() is None
    assert (path.parent / f"{USERS}.1.bak").read_text() == "older:\n  vae: /older\n"
    assert search_paths(paths)["vae"][-1] == "/newer"
    assert "hearth_2" not in read_sections(path.read_text())


@pytest.mark.parametrize(
    "text",
    [
        "mine: text", "mine: [a, b]", "mine: 7", "mine:\n  vae: [a]", "mine:\n  vae:\n", "mine:\n  vae: 7",
        "mine:\n  base_path: 7\n  vae: a",
    ],
)  # fmt: skip
def test_a_section_that_would_stop_comfyui_is_left_out_and_the_others_stay(workspace: Path, text: str) -> None:
    """The person is told which one and why; the file of the person is not touched."""
    (workspace / "ComfyUI").mkdir()
    users = workspace / "ComfyUI" / USERS
    users.write_text(f"{text}\ngood:\n  vae: /good\n")
    paths = open_paths(workspace)

    assert set(read_sections(paths.extra_model_paths.read_text())) == {"hearth", "good"}
    assert len(paths.problems) == 1
    assert "'mine'" in paths.problems[0]
    assert users.read_text().startswith(text)


@pytest.mark.parametrize(
    "content", [b"a: [", b"", b"- a\n- b\n", b"text", b"7", b"\xff\xfe\x00", b"mine: &a\n  b: *c\n"]
)
def test_any_hand_written_file_is_survived(workspace: Path, content: bytes) -> None:
    """Unreadable, empty or of another shape: it is kept as it is and ours is right."""
    path = workspace / "ComfyUI" / "extra_model_paths.yaml"
    path.parent.mkdir()
    path.write_bytes(content)
    paths = open_paths(workspace)

    assert (path.parent / USERS).read_bytes() == content
    assert set(read_sections(path.read_text())) == {"hearth"}
    assert paths.difference() is None


def test_a_file_that_cannot_be_written_is_told_and_tried_again(workspace: Path) -> None:
    """The start goes on: downloads work without it."""
    path = workspace / "ComfyUI" / "extra_model_paths.yaml"
    path.mkdir(parents=True)
    paths = open_paths(workspace)
    assert "cannot be" in " ".join(paths.problems)

    path.rmdir()
    assert paths.refresh()
    assert paths.problems == ()


@pytest.mark.parametrize("text", ["", "a: [", "- a", "vae: /x", "a:\n  vae: 7", "a:\n  vae:", "a:\n  vae: [x]", "a: 7"])
def test_the_checker_refuses_what_stops_comfyui(text: str) -> None:
    """Each of these ends the real one with an exception."""
    with pytest.raises(InvalidModelPaths):
        read_sections(text)


def test_the_checker_reads_as_comfyui_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Expansion, relative paths, blank lines, indentation, legacy names, order of defaults, repeated paths."""
    monkeypatch.setenv("WHERE", "/expanded")
    text = (
        "a:\n  base_path: $WHERE/x\n  checkpoints: |\n    one\n\n      two\n    /three\n  clip: c\n"
        "b:\n  unet: rel/../u\nempty:\n"
        "c:\n  is_default: true\n  checkpoints: |\n    /first\n    /second\n    /expanded/x/one\n"
    )
    search = add_sections(read_sections(text), tmp_path, {"checkpoints": ["/base/checkpoints"]})

    assert search["checkpoints"] == [
        "/expanded/x/one", "/second", "/first", "/base/checkpoints", "/expanded/x/  two", "/three",
    ]  # fmt: skip
    assert search["text_encoders"] == ["/expanded/x/c"]
    assert search["diffusion_models"] == [str(tmp_path / "u")]


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=12),
        st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=30), max_size=3),
        max_size=3,
    )
)
def test_whatever_a_person_writes_ours_is_readable(users: dict[str, dict[str, str | bool]]) -> None:
    """Any sections that ComfyUI could read are written back so that it reads the same, or refused."""
    try:
        content = render({"hearth": {"vae": "/models/vae"}}, users)
    except InvalidModelPaths:
        return
    assert read_sections(content.decode())["hearth"] == {"vae": "/models/vae"}


def run_script(workspace: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "generate_extra_paths.py"), *arguments]
    environment = {"PATH": os.environ["PATH"], "WORKSPACE": str(workspace), **environ}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False, cwd="/")


def test_the_script_writes_and_checks(workspace: Path, tmp_path: Path) -> None:
    """From any folder, with the environment of Hearth; --check changes nothing and says what is wrong."""
    (tmp_path / "mount").mkdir()
    absent = run_script(workspace, "--check")
    assert (absent.returncode, list(workspace.iterdir())) == (1, [])
    assert "has not been written" in absent.stdout

    written = run_script(workspace, EXTRA_MODEL_PATHS=str(tmp_path / "mount"))
    assert written.returncode == 0, written.stderr
    assert str(tmp_path / "mount") in written.stdout
    assert str(tmp_path / "mount") in (workspace / "ComfyUI" / "extra_model_paths.yaml").read_text()
    assert run_script(workspace, "--check", EXTRA_MODEL_PATHS=str(tmp_path / "mount")).returncode == 0
    assert run_script(workspace, "--check").returncode == 1

    other = tmp_path / "other"
    assert run_script(workspace, "--workspace", str(other)).returncode == 0
    assert (other / "ComfyUI" / "extra_model_paths.yaml").is_file()
    assert run_script(Path("/proc/nothing")).returncode == 2
