"""Settings that the user changes in the dashboard, and where Hearth keeps its files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from backend.api.dependencies import Manager, Reader, ServicesDep

router = APIRouter(prefix="/api/settings", tags=["settings"])


class Setting(BaseModel):
    """One setting with the value in force."""

    name: str = Field(examples=["max_parallel_downloads"])
    value: Any = Field(examples=[4])
    default: Any = Field(examples=[4])
    origin: str = Field(description="default, stored or environment", examples=["default"])
    doc: str = Field(examples=["Files that are fetched at the same time."])
    unit: str = Field(examples=[""])


class SettingsList(BaseModel):
    """Every setting."""

    items: list[Setting]
    total: int


def _listed(services: ServicesDep) -> SettingsList:
    items = [
        Setting(
            name=view.name, value=view.value, default=view.default, origin=view.origin, doc=view.doc, unit=view.unit
        )
        for view in services.preferences.all()
    ]
    return SettingsList(items=items, total=len(items))


@router.get("", summary="List settings")
async def list_settings(services: ServicesDep, _who: Reader) -> SettingsList:
    """Show every setting with its value, default and where the value comes from."""
    return _listed(services)


@router.patch("", summary="Change settings")
async def change_settings(
    services: ServicesDep,
    _who: Manager,
    changes: Annotated[
        dict[str, Any], Body(examples=[{"max_parallel_downloads": 2, "download_rate_limit": 20_000_000}])
    ],
) -> SettingsList:
    """Store new values, all or none; `null` returns a setting to its default."""
    await services.preferences.change(changes)
    return _listed(services)
