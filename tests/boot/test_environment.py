"""Law: the container's start reads the environment as Hearth's settings do, and is brought down by none of it."""

from __future__ import annotations

from backend.boot import environment
from backend.config.environment import variable_names
from backend.config.settings import Settings


def test_same_names_as_the_settings() -> None:
    """Every variable has the names and aliases that docs/settings.md promises."""
    for field, names in environment.NAMES.items():
        assert names == variable_names(field, Settings.model_fields[field]), field


def test_nothing_is_set() -> None:
    """An empty environment asks for the defaults."""
    asked = environment.read({"WORKSPACE": "/workspace", "PUID": " "})
    assert asked.workspace is None
    assert not asked.copies
    assert not asked.safe_mode
    assert asked.switched_off == frozenset()
    assert asked.puid is None
    assert asked.notices == ()


def test_everything_is_set() -> None:
    """Aliases count, quotes in flags are understood and never run."""
    asked = environment.read(
        {
            "WORKSPACE": "/data",
            "USE_NEW_VOLUME_STRATEGY": "False",
            "SAFE_MODE": "on",
            "ENABLE_JUPYTER": "0",
            "CLI_ARGS": "--fast --output-directory '/a b' $(reboot)",
            "WANTED_UID": "1001",
            "UMASK": "0002",
            "TZ": "Europe/Berlin",
        }
    )
    assert str(asked.workspace) == "/data"
    assert asked.copies
    assert asked.safe_mode
    assert asked.switched_off == {"jupyter"}
    assert asked.comfyui_args == ("--fast", "--output-directory", "/a b", "$(reboot)")
    assert (asked.puid, asked.umask, asked.time_zone) == (1001, "0002", "Europe/Berlin")
    assert asked.notices == ()


def test_nonsense() -> None:
    """What cannot be understood is told, with its name, and its default counts."""
    asked = environment.read({"PUID": "me", "UMASK": "9", "SAFE_MODE": "maybe", "COMFYUI_ARGS": "'open"})
    assert [notice.code for notice in asked.notices] == ["invalid_variable"] * 4
    assert {notice.message.split(" ")[0] for notice in asked.notices} == {"PUID", "UMASK", "SAFE_MODE", "COMFYUI_ARGS"}
    assert (asked.puid, asked.umask, asked.safe_mode, asked.comfyui_args) == (None, "", False, ())


def test_two_names_disagree() -> None:
    """Of two names of one variable that disagree the first counts, and it is told."""
    asked = environment.read({"PUID": "1", "WANTED_UID": "2"})
    assert asked.puid == 1
    assert asked.notices[0].code == "aliases_disagree"
