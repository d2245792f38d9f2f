"""Everything between s6 and ComfyUI's own program: hooks, the copy, the model folders, and the command line."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from backend.boot import hooks, timeline
from backend.boot.environment import places_of, read
from backend.boot.ready import answers
from backend.boot.service import private_environment
from backend.volume import Copying, Places, copy, is_complete

PORT = 8188
HEARTH = "tcp://127.0.0.1:8000"

_HEARTH_FIRST_S = 2.0
# Behind the login there is one address; flags that would move ComfyUI away from it are left out.
_OWN_FLAGS = {"--listen": True, "--port": True, "--base-directory": True}
_DEVICE_FLAGS = ("--cpu", "--directml", "--oneapi-device-selector")
_GPUS = ("nvidiactl", "nvidia0", "nvgpu", "nvhost-gpu", "kfd", "dxg", "accel", "dri")


class Command(NamedTuple):
    """How ComfyUI is started, and what is said about it in its log."""

    arguments: tuple[str, ...]
    remarks: tuple[str, ...]


def main(further: Sequence[str], environ: Mapping[str, str]) -> None:
    """Do what the first start needs and become ComfyUI; does not return.

    Args:
        further: More flags, after those of the environment.
    Raises:
        OSError: Its program cannot be run.
    """
    places = places_of(environ)
    app = places.opt / "hearth" / "app"
    asked = read(environ)
    _once(places, "hooks", lambda: hooks.spawn([str(app / "scripts" / "pre_start.sh")], environ))
    _once(places, "hearth", lambda: _wait_for_hearth(places))
    if not (places.base / "extra_model_paths.yaml").exists():
        script = str(app / "scripts" / "generate_extra_paths.py")
        hooks.spawn([str(places.opt / "hearth" / "venv" / "bin" / "python"), script], environ)
    if asked.copies and not is_complete(places):
        _copy(places, asked.version)
    made = command(places, found(places), environ, (*asked.comfyui_args, *further))
    for remark in made.remarks:
        _say(remark)
    environment = private_environment(environ)
    # ComfyUI-Manager then ends the process instead of replacing it, so that its restart is seen as one.
    environment["__COMFY_CLI_SESSION__"] = str(places.run / "comfyui")
    os.chdir(places.base)
    os.execve(made.arguments[0], list(made.arguments), environment)  # noqa: S606 -- the image's own interpreter


def found(places: Places) -> dict[str, Any]:
    """Return what the preparation wrote, or nothing; blocking."""
    try:
        document: dict[str, Any] = json.loads(places.found.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return document


def command(places: Places, volume: Mapping[str, Any], environ: Mapping[str, str], wanted: Sequence[str]) -> Command:
    """Return the command line of ComfyUI; *wanted* flags come last and win, but for those that would leave the login."""
    safe = bool(volume.get("safe_mode")) or places.safe_mode_switch.exists()
    copied = volume.get("strategy") == "copy" and is_complete(places)
    code = places.base if copied and not safe else places.comfyui
    image_python = str(places.opt / "venv" / "bin" / "python")
    python = image_python if safe else str(volume.get("interpreter") or image_python)
    kept, dropped = _without_own(wanted)
    remarks = [f"{flag} is left out: ComfyUI listens behind Hearth's login" for flag in dropped]
    paths = [path for path in (places.base / "extra_model_paths.yaml", places.node_paths) if path.exists()]
    arguments = [
        python,
        str(code / "main.py"),
        "--listen", "127.0.0.1",
        "--port", str(PORT),
        "--base-directory", str(places.base),
        "--database-url", f"sqlite:///{places.base / 'user' / 'comfyui.db'}",
        "--preview-method", "auto",
    ]  # fmt: skip
    if paths:
        arguments += ["--extra-model-paths-config", *map(str, paths)]
    if _has_manager(places, code) and not safe:
        arguments.append("--enable-manager")
    if safe:
        remarks.append("safe mode: no custom nodes, and no packages that were installed on the volume")
        arguments.append("--disable-all-custom-nodes")
    if not any(flag.startswith(_DEVICE_FLAGS) for flag in kept) and not has_gpu(environ, places.root / "dev"):
        remarks.append("no GPU is visible: --cpu is added; start the container with --gpus all to use one")
        arguments.append("--cpu")
    return Command((*arguments, *kept), tuple(remarks))


def has_gpu(environ: Mapping[str, str], devices: Path) -> bool:
    """Tell whether a GPU is visible that this image's torch may use: an image without CUDA uses none."""
    if environ.get("HEARTH_CUDA") == "cpu":
        return False
    return any((devices / name).exists() for name in _GPUS)


def _without_own(wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    kept: list[str] = []
    dropped: list[str] = []
    skips = False
    for word in wanted:
        flag, equals, _ = word.partition("=")
        if flag in _OWN_FLAGS:
            dropped.append(word)
            skips = not equals
        elif skips and not word.startswith("-"):
            skips = False
        else:
            skips = False
            kept.append(word)
    return kept, dropped


def _has_manager(places: Places, code: Path) -> bool:
    if not (places.image_packages / "comfyui_manager").is_dir():
        return False
    try:
        return b'"--enable-manager"' in (code / "comfy" / "cli_args.py").read_bytes()
    except OSError:
        return False


def _once(places: Places, what: str, work: Any) -> None:
    """Do *work* at the first start in this container alone; a restart of ComfyUI shall be quick."""
    mark = places.run / f"{what}.done"
    if not mark.exists():
        work()
        mark.touch()


def _wait_for_hearth(places: Places) -> None:
    """Let Hearth answer first, within bounds: ComfyUI's imports would take the processor from it for seconds."""
    if not (places.services / "hearth").is_dir():
        return
    until = timeline.boottime_ms() + _HEARTH_FIRST_S * 1000
    while not answers(HEARTH) and timeline.boottime_ms() < until:
        time.sleep(0.02)


def _copy(places: Places, version: str) -> None:
    began = timeline.now_ms()
    written = 0.0

    def report(state: Copying) -> None:
        nonlocal written
        if timeline.now_ms() - written > 250 or state.files_done == state.files_total:
            written = timeline.now_ms()
            beside = places.run / ".copy.json"
            beside.write_text(json.dumps(state._asdict()), "utf-8")
            beside.replace(places.run / "copy.json")

    _say(f"copying ComfyUI and its packages to {places.workspace}")
    copy(places, version=version, report=report)
    timeline.append(
        places.timeline, "copy", began, timeline.now_ms(), json.loads((places.run / "copy.json").read_text())
    )


def _say(text: str) -> None:
    sys.stderr.write(f"[hearth] {text}\n")
    sys.stderr.flush()
