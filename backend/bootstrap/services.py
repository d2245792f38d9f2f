"""Everything that a request may ask for, and the questions that need several parts at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.auth import Auth, Identity, Scope
from backend.bootstrap.measuring import MeasuredVolume
from backend.bootstrap.starting import Startup
from backend.bootstrap.values import FRONT_END, number, torch_prefixes
from backend.config import Settings
from backend.database import Database
from backend.downloads import DownloadService
from backend.downloads.transfer import TransferEngine
from backend.errors import JSON
from backend.events import Hub
from backend.generation import GenerationService, Owner
from backend.generation.results import Results
from backend.generation.uploads import Uploads
from backend.generation.workflows import WorkflowLibrary
from backend.generation.workflows.service import WorkflowDesk
from backend.paths import ModelPaths
from backend.presets import PresetManager
from backend.sources import Sources, Tokens
from backend.storage import Ledger
from backend.system import Check, Installation, Preferences, ServiceDesk, run_checks, sample_host, speed_checks


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a request may ask for."""

    settings: Settings
    database: Database
    preferences: Preferences
    auth: Auth
    tokens: Tokens
    sources: Sources
    paths: ModelPaths
    ledger: Ledger
    hub: Hub
    engine: TransferEngine
    downloads: DownloadService
    presets: PresetManager
    results: Results
    workflows: WorkflowLibrary
    uploads: Uploads
    generation: GenerationService
    workflow_desk: WorkflowDesk
    processes: ServiceDesk
    startup: Startup
    volume: MeasuredVolume

    @property
    def extra_model_paths(self) -> Path:
        """The file that tells ComfyUI about every model folder."""
        return self.paths.extra_model_paths

    async def readiness(self) -> dict[str, str]:
        """Say of each part that requests need whether it works; ``ok`` or a reason."""
        return {
            "database": await _tried(self.database.read(lambda connection: connection.exec_driver_sql("SELECT 1"))),
            "workspace": await _tried(asyncio.to_thread(self.settings.config_dir.stat)),
            "downloads": "ok" if self.engine.is_running else "the transfer engine has stopped",
        }

    async def host_sample(self) -> dict[str, JSON]:
        """Measure the machine once."""
        roots = (self.settings.workspace, *self.paths.roots())
        return (await asyncio.to_thread(sample_host, roots)).as_dict()

    async def checks(self, *, measure: bool = False) -> list[Check]:
        """Look for what is wrong with this installation.

        Args:
            measure: Measure the volume's speed too, which takes two seconds; otherwise what was measured before is told.
        """
        catalog = self.presets.catalog
        installation = Installation(
            workspace=self.settings.workspace,
            config_dir=self.settings.config_dir,
            model_roots=self.paths.roots(),
            extra_model_paths=self.extra_model_paths,
            reserve_bytes=number(self.preferences.get("disk_reserve")),
            weak_password=self.auth.weak_password,
            token_hosts=[token.host for token in self.tokens.describe()],
            catalog_size=len(catalog.presets),
            catalog_warnings=catalog.warnings,
            front_end=FRONT_END,
            run_dir=self.settings.hearth_run_dir
            if await asyncio.to_thread(self.settings.hearth_run_dir.is_dir)
            else None,
            torch_prefixes=torch_prefixes(self.settings),
        )
        speed = await self.volume.measure() if measure else self.volume.last
        found = await asyncio.to_thread(run_checks, installation)
        return [*found, *([] if speed is None else speed_checks(speed))]


def owner_of(who: Identity) -> Owner:
    """Return whose jobs are those of *who*: each API key has its own; whoever signs in with the password has one in all."""
    key = who.key_id
    return Owner("owner" if key is None else f"key:{key}", who.name, is_admin=who.scope.includes(Scope.MANAGE))


async def _tried(action: Coroutine[Any, Any, object]) -> str:
    try:
        async with asyncio.timeout(5):
            await action
    except Exception as error:  # noqa: BLE001 -- whatever it is, the probe must name it instead of failing itself
        return f"{type(error).__name__}: {error}"[:200]
    return "ok"
