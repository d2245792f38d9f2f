"""Read the settings from the environment: aliases, ``*_FILE`` secrets, and one clear sentence when a value is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from backend.config.settings import Settings
from backend.errors import HearthError
from backend.kit.redact import redact


class SettingsError(HearthError):
    """An environment variable has a value that cannot be used."""

    code = "invalid_setting"
    status = 500
    default_hint = "Correct the variable and start again; docs/settings.md lists every one."


def load_settings(environ: Mapping[str, str], **overrides: Any) -> tuple[Settings, list[str]]:
    """Build the settings from *environ*.

    Args:
        overrides: Field values that win over the environment (command-line flags, tests).
    Returns:
        The settings and warnings for people: two names of one variable that disagree.
    Raises:
        SettingsError: One sentence with the variable, its value (never a secret's) and what is allowed.
    """
    values: dict[str, Any] = {}
    names: dict[str, str] = {}
    warnings: list[str] = []
    for field, info in Settings.model_fields.items():
        given = _given(field, info, environ)
        if given:
            names[field], values[field] = next(iter(given.items()))
            if len(set(given.values())) > 1:
                warnings.append(f"{' and '.join(given)} disagree; {names[field]} counts.")
    values.update(overrides)
    try:
        return Settings.model_validate(values), warnings
    except ValidationError as error:
        raise SettingsError(_sentence(error, names)) from None


def variable_names(field: str, info: FieldInfo) -> tuple[str, ...]:
    """Return the names under which *field* is read, the canonical one first; ``*_FILE`` forms follow for secrets."""
    plain = (field.upper(), *_extra(info).get("aliases", ()))
    return (*plain, *(f"{name}_FILE" for name in plain)) if is_secret(info) else plain


def is_secret(info: FieldInfo) -> bool:
    """Tell whether the values of this field must never be shown."""
    return "SecretStr" in str(info.annotation)


def _given(field: str, info: FieldInfo, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are set for *field*; an empty value means "not set", as compose files write it."""
    given: dict[str, str] = {}
    for name in variable_names(field, info):
        value = environ.get(name, "")
        if value.strip():
            from_file = is_secret(info) and name.endswith("_FILE")
            given[name] = _read_secret(name, value) if from_file else value
    return given


def _read_secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SettingsError(f"{name} points to {path!r}, which cannot be read: {reason}.") from None


def _sentence(error: ValidationError, names: Mapping[str, str]) -> str:
    first = error.errors(include_url=False)[0]
    field = str(first["loc"][0])
    info = Settings.model_fields.get(field)
    if info is None:
        return f"{field} is not a setting of Hearth."
    name = names.get(field, field.upper())
    value = "a value that is kept secret" if is_secret(info) else repr(_plain(first["input"]))
    reason = first["msg"].removeprefix("Value error, ").rstrip(".")
    reason = reason.replace("Input should", "it should").replace("String should", "it should")
    return f"{name} is {value}, but {reason}."


def _plain(value: object) -> object:
    if isinstance(value, str):
        return redact(value)  # a password in an address
    return "" if isinstance(value, SecretStr) else value


def _extra(info: FieldInfo) -> dict[str, Any]:
    return cast("dict[str, Any]", info.json_schema_extra or {})
