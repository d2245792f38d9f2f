"""Law: whatever is wrong with a volume, the container comes up and says what is wrong and what cures it."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.volume import Found, LayoutKind, Mount, Places, User, Wishes, act_as, act_as_root, choose, prepare, take
from tests.volume.conftest import USER, codes, make_image, make_package, mounted, snapshot

Ready = Callable[..., Found]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as others")


def _refuse(monkeypatch: pytest.MonkeyPatch, name: str, below: Path, number: int) -> None:
    real = getattr(os, name)

    def refuse(*arguments: Any, **options: Any) -> Any:
        if any(str(argument).startswith(str(below)) for argument in arguments[:2]):
            raise OSError(number, os.strerror(number), str(arguments[0]))
        return real(*arguments, **options)

    monkeypatch.setattr(os, name, refuse)


def test_without_symbolic_links(places: Places, ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where links cannot be made, small scripts stand for the interpreter, and packages work as before."""
    _refuse(monkeypatch, "symlink", places.workspace, errno.EPERM)
    found = ready()
    assert codes(found) == ["no_symlinks"]
    assert found.filesystem.symlinks is False
    make_package(places.packages, "mine", "7")
    code = "import sys, mine, einops, subprocess as s; print(sys.prefix, mine.VERSION, einops.VERSION, s.check_output([sys.executable, '-c', 'import mine; print(8)']))"
    done = subprocess.run([found.interpreter, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(places.venv), "7", "0.8.0", "b'8\\n'"]
    assert ready().written_bytes == 0


def test_links_come_back(places: Places, ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume that was moved to a file system with links gets them."""
    with monkeypatch.context() as patched:
        _refuse(patched, "symlink", places.workspace, errno.EPERM)
        ready()
    assert ready().notices == ()
    assert (places.venv / "bin" / "python").is_symlink()


def test_without_hard_links(places: Places, ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where hard links cannot be made it is said, and nothing else changes."""
    _refuse(monkeypatch, "link", places.workspace, errno.EOPNOTSUPP)
    found = ready()
    assert codes(found) == ["no_hard_links"]
    assert found.filesystem.hard_links is False


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "volume_full"), (errno.EROFS, "volume_read_only"), (errno.EACCES, "volume_not_writable")],
)
def test_unusable_volume(places: Places, ready: Ready, monkeypatch: pytest.MonkeyPatch, number: int, code: str) -> None:
    """A volume that cannot be written is left alone; a folder of the container takes its place, its models are used."""
    (places.base / "models" / "checkpoints").mkdir(parents=True)
    before = snapshot(places.workspace)
    _refuse(monkeypatch, "mkdir", places.workspace, number)
    found = ready()
    assert codes(found)[0] == code
    assert found.notices[0].fix
    assert found.ephemeral
    assert found.requested == str(places.workspace)
    assert found.workspace == str(places.run / "workspace")
    assert found.model_roots == (str(places.base / "models"),)
    assert snapshot(places.workspace) == before


def test_full_volume_that_is_ready(places: Places, ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full volume that was prepared before needs nothing, and is used."""
    ready()
    for name in ("mkdir", "symlink"):
        _refuse(monkeypatch, name, places.workspace, errno.ENOSPC)
    real = os.open

    def refuse_files(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if flags & os.O_CREAT and str(path).startswith(str(places.workspace)):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse_files)
    found = ready()
    assert found.workspace == str(places.workspace)


def test_nearly_full(places: Places, ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little space is told before a download fails."""
    real = os.statvfs

    def little(path: Any) -> os.statvfs_result:
        told = list(real(path))
        told[4] = 10
        return os.statvfs_result(told)

    monkeypatch.setattr(os, "statvfs", little)
    assert codes(ready()) == ["volume_nearly_full"]


def test_dead_link_of_the_user(places: Places, ready: Ready) -> None:
    """A link that leads nowhere because its volume is away stays as it is, and is named."""
    places.base.mkdir()
    (places.base / "output").symlink_to("/nowhere/output")
    found = ready()
    assert codes(found) == ["dead_link"]
    assert (places.base / "output").is_symlink()


@as_root
def test_owner_is_found_out(places: Places) -> None:
    """PUID counts first, then the owner; an empty volume of root's goes to the image's user, a full one stays root's."""
    workspace = places.workspace
    assert choose(workspace, puid=None, pgid=None) == User(1000, 1000, "fresh")
    assert choose(workspace, puid=None, pgid=7) == User(1000, 7, "fresh")
    assert choose(workspace, puid=1234, pgid=None) == User(1234, 1234, "PUID")
    (workspace / "lost+found").mkdir()
    assert choose(workspace, puid=None, pgid=None).reason == "fresh"
    (workspace / "models").mkdir()
    assert choose(workspace, puid=None, pgid=None) == User(0, 0, "root_owned")
    os.chown(workspace, 4321, 99)
    assert choose(workspace, puid=None, pgid=None) == User(4321, 99, "owner")


@pytest.fixture
def shared(open_folder: Path) -> Places:
    """An image and an empty volume where every user may look."""
    places = make_image(open_folder)
    places.run.mkdir()
    places.run.chmod(0o777)
    return places


def _as(places: Places, user: User, mounts: tuple[Mount, ...]) -> Found:
    act_as(user)
    try:
        return prepare(places, user, Wishes(), mounts)
    finally:
        act_as_root()


@as_root
def test_fresh_volume_is_given_away(shared: Places) -> None:
    """Everything on a fresh volume belongs to the image's user, by one chown of one folder."""
    user = choose(shared.workspace, puid=None, pgid=None)
    take(shared, user)
    found = _as(shared, user, mounted(shared))
    assert found.notices == ()
    assert {path.lstat().st_uid for path in [shared.workspace, *shared.workspace.rglob("*")]} == {1000}


@as_root
def test_explicit_user_on_a_volume_of_root(shared: Places) -> None:
    """PUID takes over the folders that Hearth writes to and nothing in them: no tree is ever walked."""
    node = shared.base / "custom_nodes" / "mine"
    node.mkdir(parents=True)
    picture = shared.base / "output" / "a.png"
    picture.parent.mkdir()
    picture.write_text("old")
    user = choose(shared.workspace, puid=1234, pgid=None)
    take(shared, user)
    found = _as(shared, user, mounted(shared))
    assert found.workspace == str(shared.workspace)
    assert (shared.base / "output").stat().st_uid == 1234
    assert picture.stat().st_uid == node.stat().st_uid == 0


@as_root
def test_somebody_elses_volume(shared: Places) -> None:
    """A user who may not write is told the one line that cures it, and nothing on the volume changes."""
    (shared.base / "models").mkdir(parents=True)
    before = snapshot(shared.workspace)
    found = _as(shared, User(4321, 4321, "container"), mounted(shared))
    assert codes(found)[0] == "volume_not_writable"
    assert "chown -R 4321:4321" in found.notices[0].fix
    assert found.ephemeral
    assert snapshot(shared.workspace) == before


@as_root
def test_some_folders_of_somebody_else(shared: Places) -> None:
    """Folders below that belong to somebody else are named; the rest works."""
    user = User(1000, 1000, "owner")
    (shared.base / "output").mkdir(parents=True)
    for folder in (shared.workspace, shared.base):
        os.chown(folder, 1000, 1000)
    found = _as(shared, user, mounted(shared))
    assert codes(found) == ["uid_mismatch"]
    assert "ComfyUI/output" in found.notices[0].message
    assert found.layout is LayoutKind.FOREIGN


@as_root
def test_closed_folders(shared: Places) -> None:
    """What this user may not even look at is nobody's layout, and no obstacle."""
    (shared.root / "root" / "ComfyUI" / "models").mkdir(parents=True)
    (shared.root / "root").chmod(0o700)
    shared.workspace.chmod(0o777)
    found = _as(shared, User(4321, 4321, "container"), mounted(shared))
    assert found.notices == ()
    assert found.foreign == ()


def test_user_of_the_container(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not root runs everything as himself, whatever PUID says."""
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    monkeypatch.setattr(os, "getegid", lambda: 1)
    assert choose(places.workspace, puid=1000, pgid=1000) == User(4321, 1, "container")
    assert USER.uid == 1000
