"""Law: a volume of any kind is ready within milliseconds, nothing is copied, moved out of reach or deleted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from backend.volume import Found, LayoutKind, Mount, Places, Wishes, prepare
from tests.volume.conftest import MINOR, SITE, USER, codes, make_package, snapshot

Ready = Callable[..., Found]


def python(places: Places, code: str) -> str:
    """Run *code* with the environment of the volume."""
    done = subprocess.run(
        [places.venv / "bin" / "python", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_empty_volume(places: Places, ready: Ready) -> None:
    """An empty volume gets its folders and a thin environment in less than a megabyte, and nothing is said against it."""
    found = ready()
    assert found.layout is LayoutKind.FRESH
    assert found.notices == ()
    assert not found.ephemeral
    for name in ("config", "logs", "venv", "ComfyUI/custom_nodes", "ComfyUI/input", "ComfyUI/output", "ComfyUI/user"):
        assert (places.workspace / name).is_dir(), name
    assert {path.name for path in places.hooks.iterdir()} == {"pre-start.d", "post-start.d"}
    assert found.written_bytes < 10_000
    assert json.loads(places.found.read_text())["layout"] == "fresh"


def test_second_start_writes_nothing(places: Places, ready: Ready) -> None:
    """A volume that is ready already is not written to, and counts as ours."""
    ready()
    before = snapshot(places.workspace)
    found = ready()
    assert found.layout is LayoutKind.CURRENT
    assert found.written_bytes == 0
    assert snapshot(places.workspace) == before


def test_image_packages_are_behind_the_users(places: Places, ready: Ready) -> None:
    """The thin environment sees the image's packages; a package of the user shadows one until it is removed."""
    ready()
    ask = "import einops, sys; print(einops.VERSION, sys.prefix)"
    assert python(places, ask) == f"0.8.0 {places.venv}"
    make_package(places.packages, "einops", "0.9.9")
    assert python(places, ask).startswith("0.9.9")
    (places.packages / "einops.py").unlink()
    assert python(places, ask).startswith("0.8.0")


def test_activation(places: Places, ready: Ready) -> None:
    """`. /workspace/venv/bin/activate` works in a POSIX shell and is taken back by `deactivate`."""
    ready()
    script = f". {places.venv}/bin/activate; command -v python; deactivate; echo $PATH"
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, check=True
    )
    assert done.stdout.split() == [f"{places.venv}/bin/python", "/usr/bin:/bin"]


def test_manager_does_not_use_uv(places: Places, ready: Ready) -> None:
    """ComfyUI-Manager is told once not to use uv, which would fetch torch anew; its later settings are its own."""
    ready()
    settings = places.base / "user" / "__manager" / "config.ini"
    assert "use_uv = False" in settings.read_text()
    settings.write_text("[default]\nuse_uv = True\n")
    ready()
    assert settings.read_text() == "[default]\nuse_uv = True\n"


def test_older_comfyui_keeps_its_manager_elsewhere(places: Places, ready: Ready) -> None:
    """A ComfyUI without users of the system has ComfyUI-Manager's settings in the first user's folder."""
    (places.comfyui / "folder_paths.py").write_text("")
    ready()
    assert (places.base / "user" / "default" / "ComfyUI-Manager" / "config.ini").is_file()
    assert not (places.base / "user" / "__manager").exists()


def test_legacy_volume(places: Places, ready: Ready) -> None:
    """A whole ComfyUI with its environment stays in use: the environment is renamed, its packages are behind the image's."""
    (places.base / "comfy").mkdir(parents=True)
    (places.base / "main.py").write_text("raise SystemExit('poisoned')\n")
    (places.base / "output").mkdir()
    (places.base / "output" / "a.png").write_text("picture")
    (places.base / "custom_nodes" / "mine").mkdir(parents=True)
    make_package(places.venv / SITE, "only-old", "3.1")
    make_package(places.venv / SITE, "torch", "1.0")
    (places.venv / "pyvenv.cfg").write_text("home = /somewhere\n")
    before = snapshot(places.workspace)
    found = ready()
    assert found.layout is LayoutKind.LEGACY
    assert found.legacy_venvs == (str(places.workspace / "venv.legacy"),)
    after = snapshot(places.workspace)
    moved = {
        name.replace("venv", "venv.legacy", 1) if name.startswith("venv") else name: it for name, it in before.items()
    }
    assert moved.items() <= after.items()
    assert python(places, "import only_old, torch; print(only_old.VERSION, torch.VERSION)") == "3.1 2.11.0"
    assert found.python.reinstall == ()
    assert ready().layout is LayoutKind.LEGACY
    assert ready().written_bytes == 0


def test_second_full_environment(places: Places, ready: Ready) -> None:
    """An environment that is put aside takes no other's place."""
    for version in ("1", "2"):
        make_package(places.venv / SITE, "old", version)
        ready()
        if version == "1":
            places.venv.rename(places.workspace / "thin")
    assert {path.name for path in places.workspace.glob("venv*")} == {"venv", "venv.legacy", "venv.legacy.2"}
    assert python(places, "import old; print(old.VERSION)") == "2"


def test_another_python(places: Places, ready: Ready) -> None:
    """An image with another minor version re-points the environment and lists what is nowhere now."""
    ready()
    old = places.venv / "lib" / "python3.7" / "site-packages"
    make_package(old, "my_node.package", "2.0")
    make_package(old, "einops", "0.1")
    make_package(old, "pip", "1.0")
    (old / "_image.pth").write_text("/gone\n")
    found = ready()
    assert found.python == (MINOR, "3.7", ("my_node.package==2.0",))
    assert codes(found) == ["python_changed"]
    assert found.notices[0].fix == "pip install my_node.package==2.0"
    make_package(places.packages, "my-node-package", "2.1")
    assert ready().notices == ()
    assert old.is_dir()


def test_nodes_of_the_image(places: Places, ready: Ready) -> None:
    """ComfyUI is offered those nodes of the image that the volume has in no spelling, switched off or not."""
    nodes = places.base / "custom_nodes"
    (nodes / "comfyui_impact-pack").mkdir(parents=True)
    found = ready()
    assert found.image_nodes == ("rgthree-comfy",)
    assert found.shadowed_nodes == ("ComfyUI-Impact-Pack",)
    assert [path.name for path in places.node_overlay.iterdir()] == ["rgthree-comfy"]
    assert str(places.node_overlay) in places.node_paths.read_text()
    (nodes / ".disabled" / "rgthree-comfy@1_0_2").mkdir(parents=True)
    assert ready().image_nodes == ()
    assert list(places.node_overlay.iterdir()) == []
    (nodes / "comfyui_impact-pack").rename(nodes / "mine.disabled")
    assert ready().image_nodes == ("ComfyUI-Impact-Pack",)


def test_safe_mode(places: Places, ready: Ready) -> None:
    """One switch, in the environment or on the volume, leaves out the packages of the volume."""
    assert ready(safe_mode=True).interpreter == str(places.opt / "venv" / "bin" / "python")
    assert not ready().safe_mode
    places.safe_mode_switch.touch()
    assert ready().safe_mode


def test_nothing_mounted(places: Places) -> None:
    """A workspace that is lost with the container is said to be."""
    found = prepare(places, USER, Wishes(), (Mount(Path("/"), "overlay", "overlay", read_only=False),))
    assert found.ephemeral
    assert codes(found) == ["workspace_not_mounted"]


def test_speed(places: Places, record_property: Callable[[str, object], None]) -> None:
    """The interpreter and the whole preparation together stay far from a tenth of a second of processor time."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from backend.volume import Places, User, Wishes, prepare\n"
        "root = Path(sys.argv[2])\n"
        "places = Places(root / 'workspace', root / 'run', root, root / 'opt')\n"
        "print(prepare(places, User(0, 0, 'owner'), Wishes(), ()).written_bytes)\n"
    )
    repository = Path(__file__).parents[2]
    command = [sys.executable, "-I", "-S", "-c", script, str(repository), str(places.root)]
    spent: list[float] = []
    for _ in range(5):
        before = os.times()
        written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        after = os.times()
        spent.append(after.children_user - before.children_user + after.children_system - before.children_system)
        record_property("written_bytes", written.strip())
    record_property("cpu_ms", round(min(spent) * 1000))
    print(
        f"preparation with its interpreter: {min(spent) * 1000:.0f} ms of processor time, at last {written.strip()} bytes"
    )
    assert min(spent) < 0.1
