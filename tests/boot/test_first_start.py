"""Law: between s6 and ComfyUI the user's hooks run, the model folders are told, a copy is made; then ComfyUI is that process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backend.volume import Mount, Places, User, Wishes, prepare
from tests.boot.container import ROOT, until
from tests.volume.conftest import make_image

DOOR = [sys.executable, "-I", "-S", str(ROOT / "backend" / "boot")]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A prepared volume beside an image whose ComfyUI tells how it was started."""
    places = make_image(tmp_path)
    (places.comfyui / "main.py").write_text(
        "import json, os, sys\nprint(json.dumps([os.getpid(), os.getcwd(), *sys.argv, os.environ['__COMFY_CLI_SESSION__']]))\n"
    )
    (places.opt / "hearth" / "venv" / "bin").mkdir(parents=True)
    (places.opt / "hearth" / "app").symlink_to(ROOT)
    (places.opt / "hearth" / "bin").symlink_to(ROOT / "image" / "rootfs" / "opt" / "hearth" / "bin")
    # A link would not know its packages: Python looks beside the name that it was called by.
    python = places.opt / "hearth" / "venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return places


def run(places: Places, *flags: str, **environ: str) -> subprocess.Popen[str]:
    """Become ComfyUI on this volume."""
    mount = Mount(places.workspace, "ext4", "x", read_only=False)
    copies = environ.get("USE_NEW_VOLUME_STRATEGY") == "false"
    prepare(places, User(os.geteuid(), os.getegid(), "owner"), Wishes(copies=copies), (mount,))
    environment = {
        "PATH": os.environ["PATH"],
        "WORKSPACE": str(places.workspace),
        "HEARTH_RUN_DIR": str(places.run),
        "HEARTH_OPT": str(places.opt),
        "HEARTH_ROOT": str(places.root),
        **environ,
    }
    return subprocess.Popen(
        [*DOOR, "comfyui", *flags], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def said(process: subprocess.Popen[str]) -> list[str]:
    """Return its output once it has ended."""
    lines = process.communicate(timeout=60)[0].splitlines()
    assert process.returncode == 0, lines
    return lines


def test_first_start(places: Places) -> None:
    """Hooks run once, before; the file with the model folders is there; ComfyUI is the process that s6 started."""
    hooks = places.hooks / "pre-start.d"
    hooks.mkdir(parents=True)
    (hooks / "install.sh").write_text("echo installed\n")
    process = run(places, "--fast")
    lines = said(process)
    assert "installed" in lines
    pid, folder, _, *arguments, session = json.loads(lines[-1])
    assert pid == process.pid
    assert folder == str(places.base)
    assert session == str(places.run / "comfyui")
    assert arguments[-1] == "--fast"
    assert str(places.base / "extra_model_paths.yaml") in arguments
    assert (places.base / "models" / "checkpoints").is_dir()
    assert "installed" not in said(run(places))


def test_hook_is_ended(places: Places) -> None:
    """An order to end during a hook ends the hook too."""
    hooks = places.hooks / "pre-start.d"
    hooks.mkdir(parents=True)
    (hooks / "slow.sh").write_text('echo $$ >"$WORKSPACE/pid"; exec sleep 600\n')
    process = run(places)
    until(lambda: (places.workspace / "pid").exists() and (places.workspace / "pid").read_text(), "the hook runs")
    hook = int((places.workspace / "pid").read_text())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    until(lambda: not Path(f"/proc/{hook}").exists() or _is_zombie(hook), "the hook has ended")


def test_copy(places: Places) -> None:
    """With the copy strategy the code on the volume runs after one copy, whose progress can be read."""
    lines = said(run(places, USE_NEW_VOLUME_STRATEGY="false"))
    assert json.loads(lines[-1])[2] == str(places.base / "main.py")
    state = json.loads((places.run / "copy.json").read_text())
    assert state["files_done"] == state["files_total"] > 0
    assert '"phase": "copy"' in places.timeline.read_text()
    assert not any("copying" in line for line in said(run(places, USE_NEW_VOLUME_STRATEGY="false")))


def test_standard_library_is_enough() -> None:
    """Every part that runs at the start is imported without site packages."""
    names = [f"backend.{path.parent.name}.{path.stem}" for path in (ROOT / "backend").glob("boot/[a-z]*.py")]
    names += [f"backend.{path.parent.name}.{path.stem}" for path in (ROOT / "backend").glob("volume/[a-z]*.py")]
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {', '.join(sorted(names))}"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=60)


def test_unknown_door() -> None:
    """A word that is no door is answered with the doors there are."""
    done = subprocess.run([*DOOR, "dance"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "hooks PHASE" in done.stderr


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
