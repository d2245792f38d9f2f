"""The examples of the documentation, as they stand there, against a Hearth that listens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compat.house import House

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INTERPRETERS = {"python": [sys.executable, "-c"], "sh": ["bash", "-euc"]}


@pytest.mark.parametrize(("name", "count"), [("openai-images.md", 4), ("a1111.md", 2), ("comfyui-dropin.md", 2)])
def test_every_example_works(house: House, tmp_path: Path, name: str, count: int) -> None:
    """In their order, in one folder: what one writes, a later one reads."""
    examples = _BLOCK.findall((DOCS / name).read_text("utf-8"))
    environ = {"PATH": os.environ["PATH"], "HEARTH_URL": house.url, "HEARTH_KEY": house.key}
    assert len(examples) == count
    for language, code in examples:
        done = subprocess.run(
            [*_INTERPRETERS[language], code], cwd=tmp_path, env=environ, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{code}\n{done.stdout.decode()[-2000:]}\n{done.stderr.decode()[-2000:]}"
        assert b'"error"' not in done.stdout
