"""Tell the hub what changed about presets."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

from backend.errors import JSON
from backend.events import Event, Hub
from backend.events.types import CATALOG_UPDATED, PRESET_CHANGED, PRESETS, VERIFICATION_PROGRESS
from backend.presets.states import Snapshot
from backend.presets.view import VerificationView


def publish_changes(hub: Hub, old: Snapshot, new: Snapshot) -> None:
    """Tell which presets have another status than before; the first snapshot is no change."""
    if not old.states:
        return
    for preset_id, state in new.states.items():
        before = old.states.get(preset_id)
        if before is None or before.status is not state.status:
            hub.publish(
                Event(PRESETS, PRESET_CHANGED, preset_id, {"id": preset_id, "status": str(state.status)}),
            )


def publish_verification(hub: Hub, view: VerificationView, *, active: bool) -> None:
    """Tell how far a check has come; its end is never dropped."""
    data = cast("dict[str, JSON]", asdict(view))
    hub.publish(Event(PRESETS, VERIFICATION_PROGRESS, view.preset_id, data, lasting=not active))


def publish_catalog(
    hub: Hub,
    version: str,
    *,
    added: tuple[str, ...] = (),
    changed: tuple[str, ...] = (),
    removed: tuple[str, ...] = (),
) -> None:
    """Tell that definitions were added, changed or removed."""
    data: dict[str, JSON] = {
        "version": version,
        "added": list(added),
        "changed": list(changed),
        "removed": list(removed),
    }
    hub.publish(Event(PRESETS, CATALOG_UPDATED, "", data))
