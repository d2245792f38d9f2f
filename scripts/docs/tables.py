"""Tables of settings, error codes and events, read from the code itself."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Sequence
from typing import Any, cast

import backend
from backend.config.environment import variable_names
from backend.config.settings import Settings
from backend.errors import HearthError, every_error
from backend.kit.units import format_bytes

PIPE = r"\|"  # a bar inside a cell would begin the next one


def settings_block() -> str:
    """Write a table of every environment variable: other names, default, unit and meaning."""
    rows: list[Sequence[str]] = []
    for field, info in Settings.model_fields.items():
        name, *others = variable_names(field, info)
        extra = cast("dict[str, Any]", info.json_schema_extra or {})
        rows.append(
            (
                f"`{name}`",
                ", ".join(f"`{other}`" for other in others),
                _default(field, info.get_default(call_default_factory=False), str(extra.get("unit", ""))),
                str(extra.get("unit", "")),
                info.description or "",
            )
        )
    return _table(("Variable", "Also read as", "Default", "Unit", "Meaning"), rows)


def preferences_block() -> str:
    """Write a table of the settings that can be changed in the dashboard."""
    from backend.system.preferences import rules

    rows = [(f"`{name}`", unit, doc) for name, doc, unit in rules()]
    return _table(("Setting", "Unit", "Meaning"), rows)


def errors_block() -> str:
    """Write a table of every error code with its HTTP status, meaning and next step."""
    _import_all()
    seen: dict[str, type[HearthError]] = {}
    for error in every_error():
        if "code" in vars(error) and error.__module__.startswith("backend."):
            seen.setdefault(error.code, error)
    rows = [
        (f"`{code}`", str(error.status), _first_sentence(error), error.default_hint)
        for code, error in sorted(seen.items())
    ]
    return _table(("Code", "HTTP", "What happened", "What to do"), rows)


def events_block() -> str:
    """Write a table of every event type that a WebSocket sends."""
    from backend.events import types

    rows = [(f"`{name}`", topic, meaning) for name, topic, meaning in types.documented()]
    return _table(("Type", "Topic", "Meaning"), rows)


def _import_all() -> None:
    """Load every module, so that every error class exists."""
    for module in pkgutil.walk_packages(backend.__path__, "backend."):
        if module.name not in {"backend.main", "backend.cli.__main__", "backend.database.migrations.env"}:
            importlib.import_module(module.name)


def _first_sentence(error: type[HearthError]) -> str:
    return " ".join((inspect.getdoc(error) or "").split("\n\n")[0].split())


def _default(field: str, value: object, unit: str) -> str:
    if field == "workspace":
        return "`/workspace` in a container, else `./workspace`"
    if value is None or value == ():
        return "unset"
    if isinstance(value, tuple):
        return f"`{','.join(str(each) for each in cast('tuple[object, ...]', value))}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if unit.startswith("bytes") and isinstance(value, int) and value:
        return f"`{format_bytes(value)}`".replace("\u00a0", "")
    return f"`{value}`"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["", _row(columns), f"|{'---|' * len(columns)}", *(_row(row) for row in rows), ""]
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', PIPE) for cell in cells)} |"
