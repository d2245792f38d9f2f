"""One Hearth per workspace, and local commands find the one that runs, never the ghost of one that was killed."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from backend.kit.running import Runtime, read_runtime
from backend.system import WorkspaceLock
from backend.system.errors import WorkspaceInUse, WorkspaceUnusable
from tests.secret_watch import secret

HOLDER = """
import sys
from pathlib import Path
from backend.system import WorkspaceLock
with WorkspaceLock(Path(sys.argv[1])) as lock:
    lock.announce("http://127.0.0.1:8000", sys.stdin.readline().strip())
    print("held", flush=True)
    sys.stdin.readline()
"""


def hold(config_dir: Path, token: str) -> subprocess.Popen[str]:
    """Hold the workspace in a process of its own, as a running Hearth does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(config_dir)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(token + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str], number: int) -> None:
    process.send_signal(number)
    process.communicate(timeout=20)


def test_a_second_hearth_is_refused(workspace: Path) -> None:
    """Also within one process; when the first has ended the second may."""
    with (
        WorkspaceLock(workspace / "config"),
        pytest.raises(WorkspaceInUse, match=str(workspace)),
        WorkspaceLock(workspace / "config"),
    ):
        pass
    with WorkspaceLock(workspace / "config"):
        pass


def test_a_refused_second_leaves_the_first_alone(workspace: Path) -> None:
    """What the first announced still stands."""
    with WorkspaceLock(workspace / "config") as lock:
        lock.announce("http://127.0.0.1:1", secret("local token"))
        with pytest.raises(WorkspaceInUse), WorkspaceLock(workspace / "config"):
            pass
        assert (workspace / "config" / "runtime.json").is_file()


def test_a_running_hearth_is_found_by_other_processes(workspace: Path) -> None:
    """With its address, its token and its process id."""
    token = secret("local token")
    process = hold(workspace / "config", token)
    try:
        assert read_runtime(workspace / "config") == Runtime("http://127.0.0.1:8000", token, process.pid)
    finally:
        end(process, signal.SIGTERM)


def test_the_token_is_for_its_owner_only(workspace: Path) -> None:
    """Whatever the umask: the file can be read by nobody else from its first moment on."""
    before = os.umask(0)
    try:
        with WorkspaceLock(workspace / "config") as lock:
            lock.announce("http://127.0.0.1:1", secret("local token"))
            mode = (workspace / "config" / "runtime.json").stat().st_mode
    finally:
        os.umask(before)

    assert stat.S_IMODE(mode) == 0o600


def test_nothing_is_left_after_a_proper_end(workspace: Path) -> None:
    """The token is gone with the process that it opened."""
    with WorkspaceLock(workspace / "config") as lock:
        lock.announce("http://127.0.0.1:1", secret("local token"))

    assert read_runtime(workspace / "config") is None
    assert not (workspace / "config" / "runtime.json").exists()


def test_a_killed_hearth_is_not_found_and_holds_nothing(workspace: Path) -> None:
    """Its file stays behind, but only counts while the lock is held; the next start removes it."""
    end(hold(workspace / "config", secret("local token")), signal.SIGKILL)
    assert (workspace / "config" / "runtime.json").is_file()
    assert read_runtime(workspace / "config") is None

    with WorkspaceLock(workspace / "config"):
        assert not (workspace / "config" / "runtime.json").exists()
        assert read_runtime(workspace / "config") is None  # held, but nothing announced yet


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"url": "x"}', json.dumps({"url": 1, "tokens": 2})])
def test_a_damaged_file_is_nobody(workspace: Path, content: str) -> None:
    """A command then says that no Hearth runs instead of failing itself."""
    with WorkspaceLock(workspace / "config"):
        (workspace / "config" / "runtime.json").write_text(content)
        assert read_runtime(workspace / "config") is None


def test_an_unknown_workspace_has_nobody(tmp_path: Path) -> None:
    """Asking makes nothing."""
    assert read_runtime(tmp_path / "nothing" / "config") is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    """It names the workspace and the reason."""
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(WorkspaceUnusable, match=f"{tmp_path}/file .*Not a directory"),
        WorkspaceLock(tmp_path / "file" / "config"),
    ):
        pass
