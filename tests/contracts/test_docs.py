"""The documentation says what the code does: every setting, endpoint, event and error code is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backend.cli.commands import app as cli
from backend.config.environment import variable_names
from backend.config.settings import Settings
from backend.errors import every_error
from backend.events.types import documented
from scripts import build_docs
from scripts.docs.endpoints import openapi
from scripts.docs.tables import errors_block

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"])


def test_generated_blocks_are_current() -> None:
    """What repeats the code was generated from the code as it is."""
    assert build_docs.outdated() == []


def test_every_setting_is_documented() -> None:
    """Every variable and every other name of it."""
    text = (DOCS / "settings.md").read_text("utf-8")
    names = [name for field, info in Settings.model_fields.items() for name in variable_names(field, info)]

    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_endpoint_is_documented() -> None:
    """Each method of each path has its entry."""
    text = (DOCS / "API_REFERENCE.md").read_text("utf-8")
    endpoints = [f"### {method.upper()} {path}\n" for path, methods in openapi()["paths"].items() for method in methods]

    assert len(endpoints) > 40
    assert [endpoint for endpoint in endpoints if endpoint not in text] == []


def test_every_event_is_documented() -> None:
    """Each type that a WebSocket sends."""
    text = (DOCS / "events.md").read_text("utf-8")

    assert [name for name, _, _ in documented() if f"`{name}`" not in text] == []


def test_every_error_code_is_documented_and_belongs_to_one_class() -> None:
    """A code means one thing, and a reader finds it with its next step."""
    errors_block()  # imports every module
    text = (DOCS / "errors.md").read_text("utf-8")
    classes = [error for error in every_error() if error.__module__.startswith("backend.") and "code" in vars(error)]
    codes = [error.code for error in classes]

    assert [code for code in codes if f"| `{code}` |" not in text] == []
    assert sorted({code for code in codes if codes.count(code) > 1}) == []
    assert [error.__name__ for error in classes if not re.fullmatch(r"[a-z][a-z0-9_]*", error.code)] == []


def test_every_command_of_the_readme_and_quick_start_exists() -> None:
    """What a reader is told to type works."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    commands = {command.name or command.callback.__name__ for command in cli.registered_commands}
    commands |= {group.name for group in cli.registered_groups}
    told = "".join(page.read_text("utf-8") for page in PAGES)

    assert [name for name in re.findall(r"(?m)(?:^|`)make ([a-z]+)", told) if f"\n{name}:" not in makefile] == []
    assert [name for name in re.findall(r"\bbin/hearth ([a-z]+)", told) if name not in commands] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links point to files that are there."""
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("record", sorted((DOCS / "decisions").glob("*.md")), ids=lambda path: path.stem)
def test_decisions_say_what_else_was_considered(record: Path) -> None:
    """A record without alternatives is an announcement."""
    text = record.read_text("utf-8")

    assert all(f"## {part}" in text for part in ("Context", "Decision", "Alternatives considered", "Consequences"))
