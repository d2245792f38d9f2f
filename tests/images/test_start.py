"""A container starts on any volume, says nothing that worries, and ends cleanly."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.images.build import Images
from tests.images.conftest import Run
from tests.images.container import Container
from tests.images.engine import Engine

_WORRIES = re.compile(r"\b(WARNING|ERROR|CRITICAL|Traceback)\b|\[(warn|warning|error|critical|crit|alert|emerg)\s*\]")
# Lines that may be there, each with its reason.
_EXPECTED = (
    r"connect\(\) failed \(111: Connection refused\).*upstream: \"http://127\.0\.0\.1:8000",  # a test knocks before Hearth is up
    r"code=no_comfyui",  # or before ComfyUI is
)


def _worries(log: str) -> list[str]:
    return [
        line
        for line in log.splitlines()
        if _WORRIES.search(line) and not any(re.search(each, line) for each in _EXPECTED)
    ]


def test_a_start_says_nothing_that_worries(running: Callable[[str], Container], variant: str) -> None:
    """No warning in the whole log of a fresh start, of any process."""
    assert _worries(running(variant).start_log) == []


def test_a_running_container_is_healthy(running: Callable[[str], Container], variant: str) -> None:
    """By its own check, seconds after the start."""
    container = running(variant)

    container.wait(lambda: container.inspect("{{.State.Health.Status}}") == "healthy", "health", 20)


def test_hearth_knows_which_image_it_runs_in(running: Callable[[str], Container], variant: str) -> None:
    """The variant and the build, for advice and for reports."""
    assert running(variant).sh("echo $HEARTH_VARIANT $HEARTH_CUDA") == f"{variant} cpu"


def test_nothing_is_copied_to_a_fresh_volume(running: Callable[[str], Container], variant: str) -> None:
    """Less than a megabyte is written by a first start."""
    kilobytes = int(running(variant).sh("du -sk --exclude=logs /workspace | cut -f1"))

    assert kilobytes < 1024


def test_a_fresh_folder_belongs_to_the_ordinary_user(run: Run, tmp_path: Path) -> None:
    """A bind mount that root made: the one folder is handed over, everything in it is made by that user."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    container = run("-v", f"{folder}:/workspace")
    container.wait_for_comfyui()

    assert {path.stat().st_uid for path in (folder, *folder.iterdir())} == {1000}
    assert (folder / "models").resolve() == (folder / "ComfyUI" / "models").resolve() or (
        folder / "models"
    ).is_symlink()


def test_a_stop_is_clean_and_a_second_start_finds_everything(run: Run, volume: str) -> None:
    """Exit code 0 in less than 10 seconds; ComfyUI got its SIGINT; the password and the volume stay."""
    container = run("-v", f"{volume}:/workspace")
    container.wait_for_comfyui()
    container.sh("echo kept >/workspace/ComfyUI/output/kept.txt")
    code, seconds = container.stop()

    assert code == 0
    assert seconds < 10
    assert "Stopped server" in container.logs()

    container.start_again()
    container.wait_for_comfyui()
    assert container.sh("cat /workspace/ComfyUI/output/kept.txt") == "kept"


def test_a_stop_in_the_middle_of_the_start_is_clean(run: Run) -> None:
    """Nobody waits for a container that is not up yet."""
    container = run()
    container.wait_for_hearth()
    code, seconds = container.stop()

    assert code == 0
    assert seconds < 10


def test_a_read_only_root_and_a_foreign_user_do(run: Run, engine: Engine, images: Images, volume: str) -> None:
    """No capability, no entry in passwd, nothing written but the volume and two temporary folders."""
    prepare = (
        "run",
        "--rm",
        "-v",
        f"{volume}:/workspace",
        "--entrypoint",
        "chown",
        images.tag("minimal"),
        "4321:4321",
        "/workspace",
    )
    engine.run(*prepare)
    container = run(
        "-v", f"{volume}:/workspace", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--user", "4321:4321",
    )  # fmt: skip
    container.wait_for_comfyui()

    assert container.sh("id -u") == "4321"
    assert container.sh("find /workspace -mindepth 1 ! -user 4321 | head") == ""


def test_a_volume_of_somebody_else_is_used_as_that_user(run: Run, tmp_path: Path) -> None:
    """Files keep one owner; nothing is chowned."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine", "utf-8")
    for path in (folder, folder / "mine.txt"):
        path.chmod(0o755)
        __import__("os").chown(path, 4444, 4444)
    container = run("-v", f"{folder}:/workspace")
    container.wait_for_comfyui()

    assert {path.stat().st_uid for path in folder.iterdir()} == {4444}


def test_a_legacy_volume_is_taken_over_as_it_is(run: Run, tmp_path: Path) -> None:
    """A full checkout with a full venv: its models, nodes and results are used, its code and its venv are put aside."""
    folder = tmp_path / "workspace"
    for name in (
        "ComfyUI/models/checkpoints",
        "ComfyUI/custom_nodes/mine",
        "ComfyUI/output",
        "ComfyUI/comfy",
        "venv/bin",
    ):
        (folder / name).mkdir(parents=True)
    (folder / "ComfyUI" / "main.py").write_text("raise SystemExit('the old code was run')\n", "utf-8")
    (folder / "ComfyUI" / "models" / "checkpoints" / "old.safetensors").write_bytes(b"old")
    (folder / "ComfyUI" / "custom_nodes" / "mine" / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\n", "utf-8")
    site = folder / "venv" / "lib" / "python3.11" / "site-packages" / "torch"
    site.mkdir(parents=True)
    (site / "__init__.py").write_text("raise ImportError('the old torch was imported')\n", "utf-8")
    (folder / "venv" / "pyvenv.cfg").write_text("home = /usr/local/bin\nversion = 3.11.9\n", "utf-8")
    (folder / "venv" / "bin" / "python").symlink_to("/usr/local/bin/python3.11")
    container = run("-v", f"{folder}:/workspace")
    container.wait_for_comfyui()

    listed = container.get(3001, "/models/checkpoints", headers={"Authorization": f"Bearer {container.token}"})
    assert "old.safetensors" in listed.json()
    assert "/workspace/ComfyUI/custom_nodes/mine" in container.logs()
    assert (folder / "venv.legacy").is_dir()
    assert container.sh("/workspace/venv/bin/python -c 'import torch; print(torch.__file__)'").startswith("/opt/venv/")


@pytest.mark.parametrize("image", ["standard", "minimal"])
def test_another_image_goes_on_with_the_same_volume(run: Run, volume: str, image: str) -> None:
    """From minimal up to standard and down again: what the image brings is found, what it lacks is not missed."""
    first = run("-v", f"{volume}:/workspace", variant="minimal" if image == "standard" else "standard")
    first.wait_for_comfyui()
    first.stop()
    second = run("-v", f"{volume}:/workspace", variant=image, ACCESS_PASSWORD=first.password)
    second.wait_for_comfyui()

    assert ("hearth-test-standard" in second.logs()) == (image == "standard")
    assert "IMPORT FAILED" not in second.logs()
