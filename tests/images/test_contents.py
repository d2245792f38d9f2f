"""What lies in the images: each variant holds what it promises and all that the ones below promise, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.images.build import Images
from tests.images.engine import Engine

Look = Callable[[str, str], str]
_BUDGET = json.loads((Path(__file__).parent / "budget.json").read_text("utf-8"))
_UNCOMPILED = """
import importlib.util, pathlib, sys
for root in sys.argv[1:]:
    for source in pathlib.Path(root).rglob("*.py"):
        cached = pathlib.Path(importlib.util.cache_from_source(str(source)))
        try:
            head = cached.read_bytes()[:16]
        except FileNotFoundError:
            head = b""
        flags, mtime = int.from_bytes(head[4:8], "little"), int.from_bytes(head[8:12], "little")
        valid = head[:4] == importlib.util.MAGIC_NUMBER and (flags == 1 or (flags == 0 and mtime == int(source.stat().st_mtime)))
        if not valid:
            print(source)
"""


@pytest.fixture(scope="session")
def look(engine: Engine, images: Images) -> Look:
    """Run a shell script in a variant's file system, with nothing of the image started."""

    def run(variant: str, script: str) -> str:
        return engine.out("run", "--rm", "--network", "none", "--entrypoint", "sh", images.tag(variant), "-c", script)

    return run


def test_the_image_is_within_its_budget(engine: Engine, images: Images, variant: str) -> None:
    """Megabytes on disk, with the stand-in; a package that slips in is noticed here."""
    if images.sources.is_real or (variant == "dev" and images.with_code_server):
        pytest.skip("the budget is for the stand-in")
    size = int(engine.out("image", "inspect", "-f", "{{.Size}}", images.tag(variant))) / 1e6

    assert size <= _BUDGET[variant]
    assert size >= _BUDGET[variant] * 0.8, "the budget is far too high by now"


def test_the_image_says_what_it_is(engine: Engine, images: Images, variant: str) -> None:
    """Its doors, its health check, its variables; and no volume of its own, which would pile up."""
    found = json.loads(engine.out("image", "inspect", "-f", "{{json .Config}}", images.tag(variant)))
    variables = dict(each.split("=", 1) for each in found["Env"])

    assert set(found["ExposedPorts"]) == {"8001/tcp", "3001/tcp", "8081/tcp", "8889/tcp"}
    assert found["Entrypoint"] == ["/opt/hearth/bin/entrypoint"]
    assert found["Healthcheck"]["StartInterval"] == 1_000_000_000
    assert not found.get("Volumes")
    assert variables["HEARTH_VARIANT"] == variant
    assert variables["HEARTH_CUDA"] == "cpu"
    assert variables["PIP_CONSTRAINT"] == "/opt/venv/constraints.txt"
    assert variables["UV_OVERRIDE"] == "/opt/venv/uv-overrides.txt"
    assert variables["COMFYUI_URL"] == "http://127.0.0.1:8188"


def test_the_workspace_is_empty(look: Look, variant: str) -> None:
    """What lies in there would be hidden by a bind mount and copied into a named volume."""
    assert look(variant, "ls -A /workspace") == ""


def test_all_python_is_compiled(look: Look, variant: str) -> None:
    """Nobody may write below /opt later, so what is not compiled now is compiled at every start."""
    roots = "/opt/venv/lib /opt/hearth/venv/lib /opt/hearth/app/backend /opt/ComfyUI /opt/nodes /opt/jupyter/lib"
    script = f"cat >/tmp/check.py <<'END'\n{_UNCOMPILED}\nEND\npython3 -S /tmp/check.py {roots}"
    # Templates and old scripts in packages and nodes are no Python 3.
    left = [line for line in look(variant, script).splitlines() if "/tests/" not in line and "template" not in line]

    assert left == []


def test_any_user_may_read_it_and_nobody_write_it(look: Look, variant: str) -> None:
    """However private the checkout was that it was built from; links have no rights of their own."""
    unreadable = "find /opt /etc/nginx /etc/s6 ! -type l \\( ! -perm -o=r -o -type d ! -perm -o=x -o -perm /go=w \\)"

    assert look(variant, unreadable) == ""


def test_torch_is_named_as_what_nobody_moves(look: Look, variant: str) -> None:
    """For pip by its version; for uv every package of the image is named."""
    constraints = look(variant, "cat /opt/venv/constraints.txt").splitlines()
    overrides = look(variant, "cat /opt/venv/uv-overrides.txt").splitlines()
    script = "import importlib.metadata as m, json; print(json.dumps([d.metadata['Name'] for d in m.distributions()]))"
    installed = json.loads(look(variant, f'/opt/venv/bin/python -c "{script}"'))

    assert sorted(each.split("==")[0] for each in constraints) == ["torch", "torchaudio", "torchvision"]
    assert {each.split(" ;")[0] for each in overrides} == {each.lower().replace("_", "-") for each in installed}


def test_a_compiler_is_there_only_where_it_is_promised(look: Look, variant: str) -> None:
    """From full on, for torch.compile and Triton."""
    found = look(variant, "command -v gcc g++ || true").splitlines()

    assert bool(found) == (variant in ("full", "dev"))


def test_only_what_is_needed_to_run_is_there(look: Look, variant: str) -> None:
    """No caches, no lists of packages, no host keys, no version history."""
    script = "find / -xdev \\( -name .git -o -path '/var/lib/apt/lists/*_Packages' -o -name 'ssh_host_*_key' -o -path '/root/.cache/*' \\) -print"

    assert look(variant, f"{script} 2>/dev/null || true") == ""


@pytest.mark.since("standard")
def test_standard_brings_nodes_and_what_they_import(look: Look, variant: str) -> None:
    """Into ComfyUI's own environment, where they are found at once."""
    assert "hearth-test-standard" in look(variant, "ls /opt/nodes").split()
    assert look(variant, "/opt/venv/bin/python -c 'import colorama; print(colorama.__name__)'") == "colorama"


@pytest.mark.since("full")
def test_full_brings_ffmpeg_and_a_compiler_that_works(look: Look, variant: str) -> None:
    """With Python's headers, as Triton asks for them."""
    include = "$(python3 -c 'import sysconfig; print(sysconfig.get_path(\"include\"))')"
    script = f"cd /tmp && echo '#include <Python.h>' >a.c && gcc -I{include} -c a.c && ffmpeg -version | head -n 1"

    assert "hearth-test-full" in look(variant, "ls /opt/nodes").split()
    assert look(variant, script).startswith("ffmpeg version")


@pytest.mark.since("dev")
def test_dev_brings_editors_and_debuggers(look: Look, images: Images, variant: str) -> None:
    """JupyterLab has its own environment, with one kernel: the workspace's Python."""
    assert look(variant, "head -n 1 /opt/jupyter/bin/jupyter-lab") == "#!/opt/jupyter/bin/python"
    assert "/workspace/venv/bin/python" in look(variant, "cat /opt/jupyter/share/jupyter/kernels/python3/kernel.json")
    assert look(variant, "which gdb strace tmux lsof curl").count("\n") == 4
    if images.with_code_server:
        assert look(variant, "HOME=/tmp code-server --version")
