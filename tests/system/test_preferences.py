"""Settings changed in the dashboard are checked twice and never prevent a start."""

from __future__ import annotations

import pytest

from backend.database import Database
from backend.system.errors import InvalidPreference, PreferenceSetByEnvironment, UnknownPreference
from backend.system.preferences import Origin, Preferences
from backend.system.store import write_setting

pytestmark = pytest.mark.anyio

DEFAULTS = {
    "max_parallel_downloads": 4, "download_rate_limit": 0, "disk_reserve": 2, "dashboard_theme": "dark",
    "default_image_workflow": "",
}  # fmt: skip


async def test_a_change_is_in_force_at_once_and_after_a_restart(database: Database) -> None:
    """Listeners hear it, and a new start reads it."""
    heard: list[object] = []
    preferences = Preferences(database, DEFAULTS, ())
    preferences.on_change(lambda name, value: heard.append((name, value)))
    await preferences.change({"max_parallel_downloads": 2})
    again = Preferences(database, DEFAULTS, ())
    await again.load()

    assert heard == [("max_parallel_downloads", 2)]
    assert preferences.get("max_parallel_downloads") == again.get("max_parallel_downloads") == 2
    assert {view.name: view.origin for view in again.all()}["max_parallel_downloads"] is Origin.STORED


@pytest.mark.parametrize("value", [0, 33, "4", 1.5, True, [], {"a": 1}])
async def test_a_wrong_value_is_refused_and_changes_nothing(database: Database, value: object) -> None:
    """All or none: the good half of a bad request is not stored either."""
    preferences = Preferences(database, DEFAULTS, ())
    with pytest.raises(InvalidPreference):
        await preferences.change({"disk_reserve": 5, "max_parallel_downloads": value})  # type: ignore[dict-item]

    assert preferences.get("disk_reserve") == 2


@pytest.mark.parametrize("stored", ["abc", -1, None, {"x": []}, 10**40])
async def test_no_stored_value_can_prevent_a_start(database: Database, stored: object) -> None:
    """What no longer fits is ignored and the default counts."""
    await database.write(lambda c: write_setting(c, "max_parallel_downloads", stored))  # type: ignore[arg-type]
    await database.write(lambda c: write_setting(c, "a_setting_of_the_past", 1))
    preferences = Preferences(database, DEFAULTS, ())
    await preferences.load()

    assert preferences.get("max_parallel_downloads") == 4


async def test_null_returns_to_the_default(database: Database) -> None:
    """A change can be taken back."""
    preferences = Preferences(database, DEFAULTS, ())
    await preferences.change({"dashboard_theme": "light"})
    await preferences.change({"dashboard_theme": None})

    assert preferences.get("dashboard_theme") == "dark"


async def test_the_environment_wins_and_locks(database: Database) -> None:
    """A value of the environment counts, also over a stored one, and says so when changed."""
    await Preferences(database, DEFAULTS, ()).change({"download_rate_limit": 7})
    preferences = Preferences(database, {**DEFAULTS, "download_rate_limit": 9}, ("download_rate_limit",))
    await preferences.load()

    assert preferences.get("download_rate_limit") == 9
    with pytest.raises(PreferenceSetByEnvironment, match="DOWNLOAD_RATE_LIMIT"):
        await preferences.change({"download_rate_limit": 1})
    with pytest.raises(UnknownPreference):
        await preferences.change({"colour": 1})
