"""What the container's environment asks for, read without Hearth's settings, which take longer to load than this start takes.

Names and aliases are those of ``backend/config/settings.py``; a test holds the two together.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from backend.volume import Notice, Places

NAMES: Mapping[str, tuple[str, ...]] = {
    "workspace": ("WORKSPACE",),
    "use_new_volume_strategy": ("USE_NEW_VOLUME_STRATEGY",),
    "safe_mode": ("SAFE_MODE",),
    "enable_comfyui": ("ENABLE_COMFYUI",),
    "enable_code_server": ("ENABLE_CODE_SERVER",),
    "enable_jupyterlab": ("ENABLE_JUPYTERLAB", "ENABLE_JUPYTER"),
    "enable_sshd": ("ENABLE_SSHD",),
    "comfyui_args": ("COMFYUI_ARGS", "CLI_ARGS", "COMFYUI_EXTRA_ARGS", "COMFY_CMDLINE_EXTRA", "EXTRA_ARGS"),
    "puid": ("PUID", "WANTED_UID"),
    "pgid": ("PGID", "WANTED_GID"),
    "umask": ("UMASK",),
    "time_zone": ("TIME_ZONE", "TZ"),
    "public_key": ("PUBLIC_KEY",),
}
_TRUE = {"1", "true", "yes", "on", "t", "y"}
_FALSE = {"0", "false", "no", "off", "f", "n"}


class Asked(NamedTuple):
    """The environment, understood; ``workspace`` is None where it was not named."""

    workspace: Path | None
    copies: bool
    safe_mode: bool
    switched_off: frozenset[str]
    comfyui_args: tuple[str, ...]
    puid: int | None
    pgid: int | None
    umask: str
    time_zone: str
    public_key: str
    version: str
    notices: tuple[Notice, ...]


def read(environ: Mapping[str, str]) -> Asked:
    """Understand *environ*; a value that makes no sense becomes a notice, and its default counts."""
    reader = _Reader(environ)
    flags = {
        "comfyui": "enable_comfyui",
        "code-server": "enable_code_server",
        "jupyter": "enable_jupyterlab",
        "sshd": "enable_sshd",
    }
    workspace = reader.text("workspace")
    return Asked(
        workspace=Path(workspace) if workspace.startswith("/") and workspace != "/workspace" else None,
        copies=not reader.flag("use_new_volume_strategy", default=True),
        safe_mode=reader.flag("safe_mode", default=False),
        switched_off=frozenset(name for name, flag in flags.items() if not reader.flag(flag, default=True)),
        comfyui_args=reader.arguments("comfyui_args"),
        puid=reader.number("puid"),
        pgid=reader.number("pgid"),
        umask=reader.mask("umask"),
        time_zone=reader.text("time_zone"),
        public_key=reader.text("public_key"),
        version=environ.get("HEARTH_IMAGE_VERSION", "local"),
        notices=tuple(reader.notices),
    )


def places_of(environ: Mapping[str, str]) -> Places:
    """Return the paths; the variables HEARTH_OPT and HEARTH_ROOT move them for tests, the others may be set by anybody."""
    return Places(
        workspace=Path(environ.get("WORKSPACE") or "/workspace"),
        run=Path(environ.get("HEARTH_RUN_DIR") or "/run/hearth"),
        root=Path(environ.get("HEARTH_ROOT") or "/"),
        opt=Path(environ.get("HEARTH_OPT") or "/opt"),
    )


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.notices: list[Notice] = []

    def text(self, field: str) -> str:
        given = {name: self._environ[name].strip() for name in NAMES[field] if self._environ.get(name, "").strip()}
        if len(set(given.values())) > 1:
            said = f"{' and '.join(given)} disagree; {next(iter(given))} counts."
            self.notices.append(Notice("aliases_disagree", said, f"Set {next(iter(given))} alone."))
        return next(iter(given.values()), "")

    def flag(self, field: str, *, default: bool) -> bool:
        value = self.text(field).lower()
        if value in _TRUE | _FALSE:
            return value in _TRUE
        if value:
            self._refuse(field, "true or false")
        return default

    def number(self, field: str) -> int | None:
        value = self.text(field)
        if value.isdecimal():
            return int(value)
        if value:
            self._refuse(field, "a number")
        return None

    def mask(self, field: str) -> str:
        value = self.text(field)
        if value and not (len(value) in (3, 4) and set(value) <= set("01234567")):
            self._refuse(field, "octal, such as 022")
            return ""
        return value

    def arguments(self, field: str) -> tuple[str, ...]:
        try:
            return tuple(shlex.split(self.text(field)))
        except ValueError:
            self._refuse(field, "a command line with closed quotes")
            return ()

    def _refuse(self, field: str, allowed: str) -> None:
        name = next(name for name in NAMES[field] if self._environ.get(name, "").strip())
        self.notices.append(
            Notice("invalid_variable", f"{name} must be {allowed}; its default counts.", f"Correct {name}.")
        )
