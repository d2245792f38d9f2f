"""An empty library in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.generation.workflows import WorkflowLibrary


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "workflows"


@pytest.fixture
def library(root: Path) -> WorkflowLibrary:
    return WorkflowLibrary(root)
