"""Settings that the user changes in the dashboard.

They are kept in the database and checked on write *and* on read: a stored value that no longer fits is ignored with a
warning, so nothing stored can ever prevent a start. A value set in the environment wins and cannot be changed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from backend.database import Database
from backend.errors import JSON
from backend.logs import get_logger
from backend.system.errors import InvalidPreference, PreferenceSetByEnvironment, UnknownPreference
from backend.system.store import delete_setting, read_settings, write_setting

log = get_logger(__name__)

Listener = Callable[[str, JSON], None]


class Origin(StrEnum):
    """Where the value in force comes from."""

    DEFAULT = "default"
    STORED = "stored"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class _Rule:
    check: TypeAdapter[Any]
    doc: str
    unit: str = ""


_RULES: Mapping[str, _Rule] = {
    "max_parallel_downloads": _Rule(
        TypeAdapter(Annotated[int, Field(strict=True, ge=1, le=32)]), "Files that are fetched at the same time."
    ),
    "download_rate_limit": _Rule(
        TypeAdapter(Annotated[int, Field(strict=True, ge=0)]), "Ceiling over all downloads; 0 means none.", "bytes/s"
    ),
    "disk_reserve": _Rule(
        TypeAdapter(Annotated[int, Field(strict=True, ge=0)]), "Space that downloads leave free.", "bytes"
    ),
    "dashboard_theme": _Rule(
        TypeAdapter(Literal["dark", "light", "high-contrast", "system"]), "Theme until a visitor picks one."
    ),
    "default_image_workflow": _Rule(
        TypeAdapter(Annotated[str, Field(strict=True, max_length=300)]),
        "Id of the workflow for requests to /v1/images that name no model; empty: the first that can run here.",
    ),
}


@dataclass(frozen=True, slots=True)
class PreferenceView:
    """One setting as the dashboard shows it."""

    name: str
    value: JSON
    default: JSON
    origin: Origin
    doc: str
    unit: str


class Preferences:
    """Hold the values in force.

    Args:
        defaults: A value for each preference, from the environment or its default.
        from_environment: Names whose variable is set; these are locked.
    """

    def __init__(self, database: Database, defaults: Mapping[str, JSON], from_environment: Iterable[str]) -> None:
        self._database = database
        self._defaults = {name: defaults[name] for name in _RULES}
        self._locked = frozenset(from_environment) & _RULES.keys()
        self._stored: dict[str, JSON] = {}
        self._listeners: list[Listener] = []

    async def load(self) -> None:
        """Read the stored values; those that do not fit any more are left out with a warning."""
        for name, value in (await self._database.read(read_settings)).items():
            if name not in _RULES:
                continue
            try:
                self._stored[name] = _checked(name, value)
            except InvalidPreference as error:
                log.warning("stored_setting_ignored", setting=name, reason=error.message)

    def get(self, name: str) -> JSON:
        """Return the value in force.

        Raises:
            UnknownPreference: There is no such setting.
        """
        _rule(name)
        return self._defaults[name] if name in self._locked else self._stored.get(name, self._defaults[name])

    def all(self) -> list[PreferenceView]:
        """List every setting with where its value comes from."""
        return [
            PreferenceView(name, self.get(name), self._defaults[name], self._origin(name), rule.doc, rule.unit)
            for name, rule in _RULES.items()
        ]

    async def change(self, changes: Mapping[str, JSON]) -> None:
        """Store new values, all or none; ``None`` returns a setting to its default.

        Raises:
            UnknownPreference: A name is not a setting.
            InvalidPreference: A value is not allowed; nothing was changed.
            PreferenceSetByEnvironment: A variable of the environment holds this setting.
        """
        checked = {name: None if value is None else _checked(name, value) for name, value in changes.items()}
        for name in checked:
            _rule(name)
            if name in self._locked:
                raise PreferenceSetByEnvironment(f"{name} is set by the environment variable {name.upper()}.")
        for name, value in checked.items():
            if value is None:
                await self._database.write(lambda connection, name=name: delete_setting(connection, name))
                self._stored.pop(name, None)
            else:
                await self._database.write(
                    lambda connection, name=name, value=value: write_setting(connection, name, value)
                )
                self._stored[name] = value
            for listener in self._listeners:
                listener(name, self.get(name))

    def on_change(self, listener: Listener) -> None:
        """Call *listener* with name and value after each change; it must not block."""
        self._listeners.append(listener)

    def _origin(self, name: str) -> Origin:
        if name in self._locked:
            return Origin.ENVIRONMENT
        return Origin.STORED if name in self._stored else Origin.DEFAULT


def rules() -> Iterator[tuple[str, str, str]]:
    """List name, meaning and unit of every preference, for the documentation."""
    for name, rule in _RULES.items():
        yield name, rule.doc, rule.unit


def _rule(name: str) -> _Rule:
    if name not in _RULES:
        raise UnknownPreference(f"{name!r} is not a setting.", hint=f"Settings are: {', '.join(_RULES)}.")
    return _RULES[name]


def _checked(name: str, value: JSON) -> JSON:
    try:
        return _rule(name).check.validate_python(value)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"].replace("Input should", "it should")
        raise InvalidPreference(f"{name} is {value!r}, but {reason}.") from None
