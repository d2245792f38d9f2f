"""Law: USE_NEW_VOLUME_STRATEGY=false puts ComfyUI and its environment on the volume, and the way back stays open."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from backend.volume import Copying, Found, Places, copy, is_complete
from tests.volume.conftest import codes, make_package

Ready = Callable[..., Found]


def _ignore(_: Copying) -> None:
    """Nobody looks."""


def test_copy(places: Places, ready: Ready) -> None:
    """Code and packages are copied, the user's folders and packages are left alone, the copied environment works by itself."""
    (places.comfyui / "models" / "checkpoints").mkdir(parents=True)
    (places.comfyui / "models" / "checkpoints" / "put_here").write_text("")
    found = ready(copies=True)
    assert found.strategy == "copy"
    make_package(places.packages, "mine", "7")
    copy(places, version="1", report=_ignore)
    assert (places.base / "main.py").read_text() == "print('image')\n"
    assert not (places.base / "models").exists()
    code = "import einops, mine; print(einops.__file__, mine.VERSION)"
    done = subprocess.run([places.venv / "bin" / "python", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(places.packages / "einops.py"), "7"]
    again = ready(copies=True, version="1")
    assert again.notices == ()
    assert again.written_bytes == 0


def test_newer_image(places: Places, ready: Ready) -> None:
    """A complete copy is never overwritten; that it is older than the image is said."""
    ready(copies=True, version="1")
    copy(places, version="1", report=_ignore)
    assert codes(ready(copies=True, version="2")) == ["copy_outdated"]
    assert is_complete(places)


def test_back_to_the_thin_environment(places: Places, ready: Ready) -> None:
    """Without the flag the copied environment is put aside, the image's code runs, and the packages stay usable."""
    ready(copies=True)
    make_package(places.packages, "mine", "7")
    copy(places, version="1", report=_ignore)
    found = ready()
    assert found.legacy_venvs == (str(places.workspace / "venv.legacy"),)
    code = "import mine; print(mine.__file__)"
    done = subprocess.run([found.interpreter, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().startswith(str(places.workspace / "venv.legacy"))
    assert not is_complete(places)
