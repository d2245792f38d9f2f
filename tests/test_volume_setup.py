"""Roadmap 2.1: a fresh volume is in use within seconds, nothing is synchronised, every path below /workspace is the promised one."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from backend.volume import Mount, Places, User, Wishes, prepare
from tests.boot.container import ROOT, SIGNALS, Container, until
from tests.fakes.s6 import need_s6
from tests.volume.conftest import make_image, make_package

_SCRIPTS = ("scripts/start.sh", "scripts/pre_start.sh", "scripts/post_start.sh")


def test_container_starts_on_a_fresh_volume(tmp_path: Path) -> None:
    """Every service is ready in less than 30 seconds, and there is no marker of a synchronisation."""
    need_s6()
    with Container(tmp_path) as container:
        began = time.monotonic()
        container.start()
        until(lambda: all(map(container.is_ready, SIGNALS)), "every service is ready")
        assert time.monotonic() - began < 30
        assert not (container.places.venv / ".sync_complete").exists()
        for name in ("ComfyUI", "venv", "config", "logs"):
            assert (container.places.workspace / name).is_dir()


def test_no_start_up_script_synchronises() -> None:
    """Neither rsync nor a recursive copy or chown stands in anything that runs at a start."""
    folder = ROOT / "image" / "rootfs"
    files = [*map(ROOT.joinpath, _SCRIPTS), *(path for path in folder.rglob("*") if path.is_file())]
    assert len(files) > 20
    for path in files:
        assert not re.search(r"\brsync\b|\bcp -|\bchown -R\b|\bnohup\b", path.read_text("utf-8")), path


def test_scripts_are_short_and_sound() -> None:
    """The three scripts of the roadmap exist, can be run, are short, and a shell finds no fault in them."""
    for name in _SCRIPTS:
        script = ROOT / name
        assert script.stat().st_mode & 0o111
        assert len(script.read_text().splitlines()) < 30
        subprocess.run(["sh", "-n", script], check=True)


def test_existing_volume_keeps_its_work(tmp_path: Path) -> None:
    """A volume of the old system: its venv is no longer run from, and its packages and files are all there."""
    places: Places = make_image(tmp_path)
    (places.base / "comfy").mkdir(parents=True)
    (places.base / "main.py").write_text("old")
    (places.base / "models" / "loras").mkdir(parents=True)
    (places.base / "models" / "loras" / "mine.safetensors").write_text("weights")
    make_package(places.venv / "lib" / f"python{places.minor}" / "site-packages", "mine", "3")
    (places.venv / ".sync_complete").touch()
    found = prepare(places, User(0, 0, "owner"), Wishes(), (Mount(places.workspace, "ext4", "x", read_only=False),))
    assert not (places.venv / ".sync_complete").exists()
    assert (places.workspace / "venv.legacy" / ".sync_complete").exists()
    assert (places.base / "models" / "loras" / "mine.safetensors").read_text() == "weights"
    code = "import mine, torch; print(mine.VERSION, torch.VERSION)"
    done = subprocess.run([found.interpreter, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "2.11.0"]
