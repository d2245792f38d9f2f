"""What the container's start found out about its volume, as it wrote it down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from backend.system.checks.finding import Check, CheckState
from backend.system.checks.installation import Installation
from backend.system.startup import volume_report

_MAX_NAMED = 12
_SEEN_ANEW = {"uid_mismatch"}  # the check of the owner looks again, now


def _volume(installation: Installation) -> list[Check]:
    report = {} if installation.run_dir is None else volume_report(installation.run_dir)
    if not report:
        return []
    return [*_layout(report), *_warnings(report), *_packages(report)]


def _layout(report: Mapping[str, Any]) -> list[Check]:
    layout = report.get("layout")
    kind = str(_at(layout, "kind") or layout or "")
    told = {
        "fresh": "The volume was empty and has been prepared.",
        "current": "The volume has the layout of this version.",
        "legacy": "The volume holds a whole ComfyUI of an older image: its models, nodes, outputs and settings are in use.",
        "foreign": "The volume was laid out by another image; its folders are mapped.",
    }.get(kind)
    return [] if told is None else [Check("layout", CheckState.OK, told)]


def _warnings(report: Mapping[str, Any]) -> list[Check]:
    found: list[Check] = []
    for warning in _list(report.get("warnings")):
        if _at(warning, "code") in _SEEN_ANEW:
            continue
        message = str(_at(warning, "message") or _at(warning, "detail") or _at(warning, "code") or warning)
        state = CheckState.PROBLEM if _at(warning, "level") == "problem" else CheckState.WARNING
        found.append(Check("volume", state, message, str(_at(warning, "hint") or ""), str(_at(warning, "fix") or "")))
    return found


def _packages(report: Mapping[str, Any]) -> list[Check]:
    python = report.get("python")
    packages = [
        f"{_at(each, 'name')}=={_at(each, 'version')}" if _at(each, "version") else str(_at(each, "name") or each)
        for each in _list(_at(python, "reinstall") or _at(python, "packages") or report.get("reinstall"))
    ]
    if not packages:
        return []
    named = ", ".join(packages[:_MAX_NAMED]) + (" …" if len(packages) > _MAX_NAMED else "")
    message = f"This image has another Python: {len(packages)} of your own packages must be installed again ({named})."
    fix = f"/workspace/venv/bin/pip install {' '.join(packages)}"
    return [Check("packages", CheckState.WARNING, message, "Install them, then restart ComfyUI.", fix)]


def _at(value: object, name: str) -> Any:
    return cast("Mapping[str, Any]", value).get(name) if isinstance(value, dict) else None


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


CHECKS: Sequence[Callable[[Installation], list[Check]]] = (_volume,)
