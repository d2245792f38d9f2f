"""Packages that a node brings land on the volume; torch and Hearth stay as the image has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.images.build import Images
from tests.images.container import Container
from tests.images.engine import Engine
from tests.images.sources import wheel

_TORCH = "/workspace/venv/bin/python -c 'import torch; print(torch.__version__, torch.__file__)'"


@pytest.fixture(scope="module")
def container(engine: Engine, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A container with a folder of wheels, one of which wants another torch."""
    folder = tmp_path_factory.mktemp("wheels")
    wheel(folder, "torch", "9.9.9")
    wheel(folder, "greedy", "1.0", requires=("torch>=9",))
    wheel(folder, "plain", "1.0", requires=("torch",))
    wheel(folder, "plain", "2.0", requires=("torch",))
    folder.chmod(0o755)
    options = ("-v", f"{folder}:/wheels:ro")
    with Container(engine, images.tag("minimal"), *options) as container:
        container.wait_for_comfyui()
        yield container


@pytest.fixture
def torch(container: Container) -> Iterator[str]:
    """The torch of the image, before and after."""
    before = container.sh(_TORCH)
    assert "/opt/venv/" in before
    yield before
    assert container.sh(_TORCH) == before


def _as_user(container: Container, command: str, *, check: bool = True) -> str:
    uid = container.sh("stat -c %u /workspace")
    return container.sh(f"{{ {command}; }} 2>&1", user=uid, check=check)


def test_pip_installs_on_the_volume_and_leaves_torch(container: Container, torch: str) -> None:
    """What is in the image counts as installed."""
    said = _as_user(container, "/workspace/venv/bin/python -m pip install --no-index --find-links /wheels plain==1.0")

    assert "Successfully installed plain-1.0" in said
    assert container.sh("/workspace/venv/bin/python -c 'import plain; print(plain.__file__)'").startswith(
        "/workspace/venv/"
    )


@pytest.mark.parametrize("wanted", ["torch==9.9.9", "greedy", "--upgrade torch"])
def test_pip_refuses_to_move_torch(container: Container, torch: str, wanted: str) -> None:
    """Directly, through a package, or as an upgrade: the constraint stands."""
    _as_user(
        container, f"/workspace/venv/bin/python -m pip install --no-index --find-links /wheels {wanted}", check=False
    )

    assert "9.9.9" not in container.sh("ls /workspace/venv/lib/python3*/site-packages")


@pytest.mark.parametrize("wanted", ["torch==9.9.9", "greedy", "plain==2.0"])
def test_uv_does_not_fetch_what_the_image_has(container: Container, torch: str, wanted: str) -> None:
    """Uv does not look below a thin environment; the overrides keep it from installing torch again."""
    _as_user(
        container,
        f"uv pip install --python /workspace/venv/bin/python --no-index --find-links /wheels {wanted}",
        check=False,
    )

    assert "torch-9.9.9.dist-info" not in container.sh("ls /workspace/venv/lib/python3*/site-packages")


def test_the_image_itself_cannot_be_written(container: Container) -> None:
    """Not even by the program that runs in it."""
    said = _as_user(container, "touch /opt/venv/x /opt/ComfyUI/x /opt/hearth/app/x; true")

    assert said.count("Permission denied") == 3


def test_hearth_is_untouched_by_what_nodes_install(container: Container, tmp_path: Path) -> None:
    """It has an environment of its own."""
    assert container.sh("/opt/hearth/venv/bin/python -c 'import sys; print(sys.prefix)'") == "/opt/hearth/venv"
    assert container.sh("/opt/hearth/venv/bin/python -c 'import plain' 2>&1 || true").endswith(
        "No module named 'plain'"
    )
