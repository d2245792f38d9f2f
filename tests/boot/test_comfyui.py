"""Law: ComfyUI gets the volume's folders and the image's nodes, listens behind the login, and starts without a GPU too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from backend.boot import comfyui
from backend.boot.service import private_environment
from backend.volume import Mount, Places, User, Wishes, prepare
from tests import secret_watch
from tests.volume.conftest import make_image

GPU = {"HEARTH_CUDA": "12-8"}


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A prepared volume, on a machine with a GPU."""
    places = make_image(tmp_path)
    mount = Mount(places.workspace, "ext4", "x", read_only=False)
    prepare(places, User(0, 0, "owner"), Wishes(), (mount,))
    (places.root / "dev").mkdir()
    (places.root / "dev" / "nvidiactl").touch()
    (places.base / "extra_model_paths.yaml").touch()
    return places


def made(places: Places, *wanted: str, environ: dict[str, str] | None = None) -> comfyui.Command:
    """Return the command for what was found."""
    return comfyui.command(places, comfyui.found(places), environ or GPU, wanted)


def value(arguments: Sequence[str], flag: str) -> str:
    """Return what follows *flag*."""
    return arguments[arguments.index(flag) + 1]


def test_command(places: Places) -> None:
    """Code and interpreter are the image's and the thin environment's; all that is written goes to the volume."""
    command = made(places)
    assert command.arguments[:2] == (str(places.venv / "bin" / "python"), str(places.comfyui / "main.py"))
    assert value(command.arguments, "--listen") == "127.0.0.1"
    assert value(command.arguments, "--base-directory") == str(places.base)
    assert value(command.arguments, "--database-url") == f"sqlite:///{places.base}/user/comfyui.db"
    at = command.arguments.index("--extra-model-paths-config")
    assert command.arguments[at + 1 : at + 3] == (str(places.base / "extra_model_paths.yaml"), str(places.node_paths))
    assert "--cpu" not in command.arguments
    assert command.remarks == ()


def test_flags_of_the_user(places: Places) -> None:
    """The user's flags come last and win; those that would take ComfyUI from behind the login are left out, and it is said."""
    command = made(places, "--listen", "0.0.0.0", "--fast", "--port=3000", "--preview-method", "none", "--listen")
    assert command.arguments[-3:] == ("--fast", "--preview-method", "none")
    assert command.arguments.count("--listen") == command.arguments.count("--port") == 1
    assert len(command.remarks) == 3


def test_no_gpu(places: Places) -> None:
    """Without a GPU, or in an image without CUDA, ComfyUI computes on the processor instead of ending."""
    assert "--cpu" in made(places, environ={"HEARTH_CUDA": "cpu"}).arguments
    (places.root / "dev" / "nvidiactl").unlink()
    assert "--cpu" in made(places).arguments
    assert "--cpu" not in made(places, "--directml").arguments
    assert made(places, "--cpu").arguments.count("--cpu") == 1


def test_safe_mode(places: Places) -> None:
    """Safe mode uses the image alone, as soon as the switch is there."""
    places.safe_mode_switch.touch()
    command = made(places)
    assert command.arguments[0] == str(places.opt / "venv" / "bin" / "python")
    assert "--disable-all-custom-nodes" in command.arguments


def test_manager(places: Places) -> None:
    """ComfyUI-Manager is switched on where both sides know each other."""
    (places.image_packages / "comfyui_manager").mkdir()
    assert "--enable-manager" not in made(places).arguments
    (places.comfyui / "comfy" / "cli_args.py").write_text('parser.add_argument("--enable-manager")')
    assert "--enable-manager" in made(places).arguments


def test_copied_code(places: Places) -> None:
    """With the copy strategy the code on the volume runs, once it is complete."""
    volume: dict[str, Any] = {**comfyui.found(places), "strategy": "copy"}
    assert comfyui.command(places, volume, GPU, ()).arguments[1] == str(places.comfyui / "main.py")
    places.copy_mark.write_text(json.dumps({"image": "1"}))
    assert comfyui.command(places, volume, GPU, ()).arguments[1] == str(places.base / "main.py")


def test_without_a_report(places: Places) -> None:
    """A report that is missing or damaged costs the user's packages, not ComfyUI."""
    places.found.write_text("{")
    assert made(places).arguments[0] == str(places.opt / "venv" / "bin" / "python")


def test_secrets_stay_behind() -> None:
    """Custom nodes are other people's code: they learn no password and no token."""
    hidden = secret_watch.secret("token of the environment")
    names = ("ACCESS_PASSWORD", "HF_TOKEN", "CIVITAI_API_KEY", "GH_TOKEN", "AWS_SECRET_ACCESS_KEY", "WEBHOOK_SECRET")
    given = {**dict.fromkeys(names, hidden), "PATH": "/bin", "HEARTH_UID": "7", "HEARTH_SECRET": hidden}
    assert private_environment(given) == {"PATH": "/bin", "HEARTH_UID": "7"}
