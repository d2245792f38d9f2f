"""``scripts/bootstrap.sh`` does nothing twice, says what is wrong in one sentence, and mends a broken environment."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parent.parent / "scripts" / "bootstrap.sh"
_UV = """#!/bin/sh
[ "$1" = --version ] && { echo "uv VERSION"; exit; }
echo "$@" >>uv-calls
mkdir -p .venv/bin && ln -sf PYTHON .venv/bin/python
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose set-up was done, with a uv that only writes down what it is asked for."""
    text = _SCRIPT.read_text("utf-8")
    version = text.partition("UV_VERSION=")[2].partition("\n")[0]
    for name in ("scripts", ".tools/bin", ".venv/bin", "frontend/static/dist"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("uv.lock", "pyproject.toml", "frontend/package.json"):
        (tmp_path / name).touch()
    script, uv = tmp_path / "scripts" / "bootstrap.sh", tmp_path / ".tools" / "bin" / "uv"
    script.write_text(text, "utf-8")
    uv.write_text(_UV.replace("VERSION", version).replace("PYTHON", sys.executable), "utf-8")
    for path in (script, uv):
        path.chmod(0o755)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / ".venv" / ".synced-run").touch()
    (tmp_path / "frontend" / "static" / "dist" / "manifest.json").touch()
    return tmp_path


def _set_up(checkout: Path, purpose: str = "run", **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "scripts/bootstrap.sh", purpose], cwd=checkout, env={"PATH": os.environ["PATH"], **environ},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_what_is_current_is_left_alone_in_silence(checkout: Path) -> None:
    """In less than a second, without a network."""
    begin = time.monotonic()
    done = _set_up(checkout)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - begin < 1
    assert not (checkout / "uv-calls").exists()


def test_a_newer_lock_is_followed(checkout: Path) -> None:
    """With one line that says so; the next run is silent again."""
    os.utime(checkout / "uv.lock", (time.time() + 5, time.time() + 5))
    done = _set_up(checkout)
    os.utime(checkout / "uv.lock", (0, 0))

    assert done.returncode == 0
    assert "installing the locked Python packages (run)" in done.stdout
    assert "--frozen" in (checkout / "uv-calls").read_text()
    assert _set_up(checkout).stdout == ""


def test_an_environment_whose_python_is_gone_is_built_anew(checkout: Path) -> None:
    """Its stamps went with it, so nothing is taken for installed."""
    (checkout / ".venv" / "bin" / "python").unlink()
    (checkout / ".venv" / "bin" / "python").symlink_to("/nonexistent/python")
    done = _set_up(checkout)

    assert done.returncode == 0
    assert "building .venv anew" in done.stdout
    assert "--python" in (checkout / "uv-calls").read_text()


def test_a_machine_without_python_is_told_what_it_needs(checkout: Path, tmp_path: Path) -> None:
    """One sentence on standard error."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "dirname").symlink_to("/usr/bin/dirname")
    done = _set_up(checkout, PATH=str(tools))

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Python 3.11 or newer is needed" in done.stderr


def test_an_unknown_purpose_is_refused(checkout: Path) -> None:
    """The known ones are named."""
    done = _set_up(checkout, "dance")

    assert done.returncode == 1
    assert "unknown purpose dance; use run, lint or test" in done.stderr
