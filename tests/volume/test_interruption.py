"""Law: preparing twice is preparing once, and a start that was interrupted anywhere ends right at the next one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.volume import Copying, Places, Wishes, copy, is_complete, prepare
from tests.volume.conftest import SITE, USER, make_image, make_package, mounted, snapshot

_CHANGING = ("mkdir", "symlink", "replace", "rename", "unlink", "rmdir", "write", "link")


class Killed(BaseException):
    """The power went away."""


@contextmanager
def killed_after(calls: int) -> Iterator[None]:
    """Let the process die at one of its changes to a disk, before it or half way through it."""
    left = calls

    def dying(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            if left == 0:
                if name == "write":
                    real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                raise Killed
            left -= 1
            return real(*arguments, **options)

        return call

    patches = [patch.object(os, name, dying(getattr(os, name), name)) for name in _CHANGING]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


volumes = st.fixed_dictionaries(
    {
        "checkout": st.booleans(),
        "venv": st.sampled_from(["none", "empty", "full", "older", "thin"]),
        "basedir": st.booleans(),
        "own_output": st.booleans(),
        "node": st.sampled_from(["", "ComfyUI-Impact-Pack", "other"]),
        "mark": st.booleans(),
    }
)


def make_volume(places: Places, volume: dict[str, Any]) -> None:
    """Lay out a volume of somebody's."""
    if volume["checkout"]:
        (places.base / "comfy").mkdir(parents=True)
        (places.base / "main.py").write_text("old")
    if volume["venv"] == "empty":
        places.venv.mkdir()
    elif volume["venv"] == "full":
        make_package(places.venv / SITE, "legacy")
    elif volume["venv"] == "older":
        make_package(places.venv / "lib" / "python3.7" / "site-packages", "legacy")
    elif volume["venv"] == "thin":
        prepare(places, USER, Wishes(), mounted(places))
        make_package(places.packages, "mine")
    if volume["basedir"]:
        for name in ("models", "output", "custom_nodes"):
            (places.root / "basedir" / name).mkdir(parents=True)
            (places.root / "basedir" / name / "file").write_text(name)
    if volume["own_output"]:
        (places.base / "output").mkdir(parents=True, exist_ok=True)
        (places.base / "output" / "mine.png").write_text("picture")
    if volume["node"]:
        (places.base / "custom_nodes" / volume["node"]).mkdir(parents=True, exist_ok=True)
    if volume["mark"]:
        places.config.mkdir(exist_ok=True)
        places.layout_mark.write_text("half a fi")


def ready(places: Places) -> None:
    """Prepare it as each start does."""
    prepare(places, USER, Wishes(), mounted(places))


def result(places: Places) -> dict[str, str]:
    """Return everything that matters afterwards, whatever its folder is called."""
    found = {**snapshot(places.workspace), **{f"run/{name}": it for name, it in snapshot(places.run).items()}}
    found.pop("run/volume.json")
    return {name: text.replace(str(places.root), "ROOT") for name, text in found.items()}


@given(volume=volumes, calls=st.integers(0, 60), again=st.integers(0, 60))
@settings(max_examples=30, deadline=None)
def test_interrupted_anywhere(volume: dict[str, Any], calls: int, again: int) -> None:
    """Two interrupted starts and a whole one leave what one whole start leaves; another whole one changes nothing."""
    folder = Path(tempfile.mkdtemp(prefix="hearth-volume-"))
    try:
        straight, crooked = make_image(folder / "a"), make_image(folder / "b")
        for places in (straight, crooked):
            make_volume(places, volume)
        ready(straight)
        for after in (calls, again):
            try:
                with killed_after(after):
                    ready(crooked)
            except Killed:
                pass
        ready(crooked)
        assert result(crooked) == result(straight)
        ready(crooked)
        assert result(crooked) == result(straight)
    finally:
        shutil.rmtree(folder)


@given(calls=st.integers(0, 40))
@settings(max_examples=20, deadline=None)
def test_interrupted_copy(calls: int) -> None:
    """A copy that was interrupted goes on where it was; an edited file stays as it was edited."""
    folder = Path(tempfile.mkdtemp(prefix="hearth-copy-"))
    try:
        places = make_image(folder)
        (places.comfyui / "comfy" / "model.py").write_text("image" * 1000)
        ready(places)
        (places.base / "main.py").write_text("edited")
        reports: list[Copying] = []
        try:
            with killed_after(calls):
                copy(places, version="1", report=reports.append)
        except Killed:
            assert not is_complete(places)
        copy(places, version="1", report=reports.append)
        assert is_complete(places)
        assert reports[-1].files_done == reports[-1].files_total
        assert (places.base / "main.py").read_text() == "edited"
        assert (places.base / "comfy" / "model.py").read_text() == "image" * 1000
        assert (places.packages / "einops.py").is_file()
        assert not list(places.workspace.rglob("*.hearth-copy"))
    finally:
        shutil.rmtree(folder)
