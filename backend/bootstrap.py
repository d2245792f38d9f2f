"""Join the concrete parts: the only place that knows how one part finds another.

Features are strangers to each other; they meet here through plain callables. Parts are opened from the ground up and closed
in reverse, so that whatever a part needs is there as long as the part itself.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from backend.auth import Auth, Identity, Scope
from backend.config import Settings
from backend.database import Database
from backend.downloads import DownloadService
from backend.downloads.transfer import TransferEngine, partial_bytes
from backend.errors import JSON
from backend.events import Hub
from backend.generation import GenerationLimits, GenerationService, Owner, Remedy
from backend.generation.knowledge import Knowledge
from backend.generation.opening import Child, make_backends
from backend.generation.preparing import Preparer
from backend.generation.results import HashOf, Results
from backend.generation.uploads import Uploads
from backend.generation.workflows import Shelves, ShippedShelf, TemplateShelf, WorkflowLibrary, find_templates
from backend.generation.workflows.ports import Told
from backend.generation.workflows.service import WorkflowDesk
from backend.kit.listening import Address, listening_addresses
from backend.kit.redact import register_secret
from backend.logs import get_logger
from backend.paths import ModelPaths
from backend.presets import CatalogStore, PresetManager
from backend.sources import FileRef, SourceError, Sources, Tokens, post_bytes
from backend.storage import Ledger
from backend.system import Check, Installation, Preferences, WorkspaceLock, report_host, run_checks, sample_host

log = get_logger(__name__)

_ROOT = Path(__file__).parent.parent
SHIPPED_PRESETS = _ROOT / "config" / "presets"
SHIPPED_WORKFLOWS = _ROOT / "config" / "workflows"
FRONT_END = _ROOT / "frontend" / "static" / "dist" / "manifest.json"
_LOOK_FOR_MOUNTS_EVERY_S = 60
_LOOK_FOR_SERVER_EVERY_S = 1
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- where to reach who listens everywhere


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

    async def checks(self) -> list[Check]:
        """Look for what is wrong with this installation."""
        catalog = self.presets.catalog
        installation = Installation(
            workspace=self.settings.workspace,
            config_dir=self.settings.config_dir,
            model_roots=self.paths.roots(),
            extra_model_paths=self.extra_model_paths,
            reserve_bytes=_number(self.preferences.get("disk_reserve")),
            weak_password=self.auth.weak_password,
            token_hosts=[token.host for token in self.tokens.describe()],
            catalog_size=len(catalog.presets),
            catalog_warnings=catalog.warnings,
            front_end=FRONT_END,
        )
        return await asyncio.to_thread(run_checks, installation)


@asynccontextmanager
async def run_services(
    settings: Settings, *, announce: Callable[[str], None] | None = None
) -> AsyncGenerator[Services]:
    """Open every part, hand them out, and close them in reverse.

    Args:
        announce: Where the generated password is shown, once; standard error by default.
    Raises:
        WorkspaceInUse, WorkspaceUnusable: Another Hearth works on this workspace, or it cannot be written.
        DatabaseError: The database cannot be opened.
    Cancelled: everything is closed; unfinished downloads continue at the next start.
    """
    _register_secrets(settings)
    config_dir = settings.config_dir
    async with AsyncExitStack() as stack:
        elsewhere = await asyncio.to_thread(listening_addresses)
        lock = await asyncio.to_thread(WorkspaceLock(config_dir).__enter__)
        stack.push_async_callback(asyncio.to_thread, lock.__exit__, None, None, None)
        database = await asyncio.to_thread(Database.open, config_dir / "hearth.db")
        stack.push_async_callback(asyncio.to_thread, database.close)
        services = await _open(stack, settings, database, announce or _announce)
        duties = {
            "mounts": _look_for_mounts(services.paths),
            "host": report_host(services.hub, services.host_sample),
            "address": _tell_address(lock, elsewhere, services.auth.local_token()),
        }
        for name, duty in duties.items():
            stack.push_async_callback(_stop, asyncio.create_task(duty, name=name))
        log.info("hearth_started", workspace=str(settings.workspace), presets=len(services.presets.catalog.presets))
        yield services


async def _open(
    stack: AsyncExitStack, settings: Settings, database: Database, announce: Callable[[str], None]
) -> Services:
    hub = Hub()
    preferences = Preferences(database, _preference_defaults(settings), settings.model_fields_set)
    await preferences.load()
    catalog = CatalogStore(
        settings.preset_catalog_dir or SHIPPED_PRESETS,
        settings.config_dir / "catalog" / "catalog.json",
        settings.config_dir / "presets",
    )
    ledger = Ledger(database)
    # Side by side: each waits for the disk, and checking a password is slow on purpose.
    auth, tokens, paths, _, _ = await asyncio.gather(
        _auth(stack, settings, database, announce),
        asyncio.to_thread(Tokens.open, settings.config_dir / "tokens.json", _token_environment(settings)),
        asyncio.to_thread(ModelPaths.open, settings.workspace, settings.extra_model_paths),
        asyncio.to_thread(catalog.refresh),
        ledger.load(),
    )
    sources = Sources(
        hf_endpoint=settings.hf_endpoint,
        civitai_endpoint=settings.civitai_endpoint,
        github_endpoint=settings.github_endpoint,
        tokens=tokens,
    )
    stack.push_async_callback(sources.aclose)
    engine = _engine(settings, sources, preferences)
    engine.start()
    stack.push_async_callback(engine.close)
    downloads = DownloadService(
        database=database,
        engine=engine,
        resolve=sources.resolve,
        paths=paths,
        files_of=lambda preset_id: catalog.current.get(preset_id),  # noqa: PLW0108 -- the snapshot is swapped
        ledger=ledger,
        hub=hub,
        max_parallel=_number(preferences.get("max_parallel_downloads")),
        reserve_bytes=_number(preferences.get("disk_reserve")),
        retries=settings.download_retries,
    )
    presets = _preset_manager(settings, catalog, downloads, sources, paths, ledger, hub)
    _connect(preferences, tokens, engine, downloads)
    await downloads.start()
    stack.push_async_callback(downloads.close)
    await presets.start()
    stack.push_async_callback(presets.close)
    if settings.enable_preset_manager and settings.startup_presets:
        presets.queue_at_start(settings.startup_presets)
    results = await Results.open(
        settings.workspace / "outputs",
        database,
        hash_of=_hash_of(paths, ledger),
        keep_days=settings.results_keep_days,
    )
    stack.push_async_callback(results.close)
    workflows = await asyncio.to_thread(_library, settings)
    uploads = Uploads(settings.workspace / "uploads")
    generation = await _generation(settings, database, hub, paths, results, workflows, uploads, catalog)
    await generation.start()
    stack.push_async_callback(generation.close)
    workflow_desk = WorkflowDesk(
        workflows,
        Knowledge(generation),
        presets=lambda: catalog.current.presets,
        records=ledger.all,
        find=paths.find,
        ask=lambda url: _ask_about(sources, url),
        downloads=downloads,
    )
    return Services(
        settings, database, preferences, auth, tokens, sources, paths, ledger, hub, engine, downloads, presets, results,
        workflows, uploads, generation, workflow_desk,
    )  # fmt: skip


async def _auth(stack: AsyncExitStack, settings: Settings, database: Database, announce: Callable[[str], None]) -> Auth:
    auth = await Auth.open(
        database,
        settings.config_dir,
        access_password=_plain(settings.access_password),
        session_hours=settings.session_hours,
        announce=announce,
    )
    stack.push_async_callback(auth.close)
    return auth


def _engine(settings: Settings, sources: Sources, preferences: Preferences) -> TransferEngine:
    return TransferEngine(
        explain=sources.explain,
        connections_per_file=settings.download_connections_per_file,
        connections_per_host=settings.download_connections_per_host,
        stall_timeout_s=settings.download_stall_timeout,
        retries=settings.download_retries,
        rate_limit_bytes_s=_number(preferences.get("download_rate_limit")),
        reserve_bytes=lambda: _number(preferences.get("disk_reserve")),
    )


def _preset_manager(
    settings: Settings,
    catalog: CatalogStore,
    downloads: DownloadService,
    sources: Sources,
    paths: ModelPaths,
    ledger: Ledger,
    hub: Hub,
) -> PresetManager:
    async def promised(url: str) -> str | None:
        return (await sources.resolve(FileRef(url))).sha256

    return PresetManager(
        store=catalog,
        ledger=ledger,
        downloads=downloads,
        paths=paths,
        hub=hub,
        partial_bytes=partial_bytes,
        promised=promised,
        fetch=sources.fetch_bytes,
        catalog_url=settings.preset_catalog_url,
    )


def _library(settings: Settings) -> WorkflowLibrary:
    templates = find_templates()
    official = [] if templates is None else [TemplateShelf(templates)]
    return WorkflowLibrary(settings.workspace / "workflows", Shelves([ShippedShelf(SHIPPED_WORKFLOWS), *official]))


async def _generation(
    settings: Settings,
    database: Database,
    hub: Hub,
    paths: ModelPaths,
    results: Results,
    workflows: WorkflowLibrary,
    uploads: Uploads,
    catalog: CatalogStore,
) -> GenerationService:
    child = None
    if settings.comfyui_dir is not None:
        child = Child(
            directory=settings.comfyui_dir,
            port=settings.comfyui_port,
            base_directory=settings.workspace / "ComfyUI",
            extra_model_paths=paths.extra_model_paths,
            arguments=settings.comfyui_args,
            environment=os.environ,
        )
    opened: list[GenerationService] = []

    def changed(backend_id: str) -> None:
        for service in opened:
            service.backend_changed(backend_id)

    service = GenerationService(
        database=database,
        hub=hub,
        backends=await make_backends(settings.comfyui_url, child, changed),
        results=results.collector,
        prepare=Preparer(workflows),
        remedies_for=lambda names: _remedies(catalog, names),
        post=post_bytes,
        uploads=uploads,
        webhook_secret=_plain(settings.webhook_secret),
        limits=GenerationLimits(settings.max_queue_depth, settings.max_queue_depth_per_user),
    )
    opened.append(service)
    return service


async def _ask_about(sources: Sources, url: str) -> Told | None:
    """Ask the host of a file about it; one that refuses for want of a token or licence has a gated file."""
    try:
        remote = await sources.resolve(FileRef(url))
    except SourceError as error:
        return Told(gated=True) if error.waits_for is not None else None
    return Told(remote.size_bytes, remote.sha256)


def _remedies(catalog: CatalogStore, names: Sequence[str]) -> list[Remedy]:
    """Find presets that bring model files, by the name of the file or the end of its path."""
    return [
        Remedy(name, preset_id=preset_id, directory=directory)
        for name in names
        for (directory, file), preset_ids in catalog.current.users.items()
        for preset_id in preset_ids
        if name.rpartition("/")[2] == file.rpartition("/")[2]
    ]


def owner_of(who: Identity) -> Owner:
    """Return whose jobs are those of *who*: each API key has its own; whoever signs in with the password has one in all."""
    key = who.key_id
    return Owner("owner" if key is None else f"key:{key}", who.name, is_admin=who.scope.includes(Scope.MANAGE))


def _hash_of(paths: ModelPaths, ledger: Ledger) -> HashOf:
    """Look up hashes of models for those who only know what a graph calls them."""

    def hash_of(category: str, name: str) -> str | None:
        *below, file = name.split("/")
        path = paths.find("/".join((category, *below)), file)
        record = None if path is None else ledger.lookup_sync(path)
        return None if record is None else record.sha256

    return hash_of


def _connect(preferences: Preferences, tokens: Tokens, engine: TransferEngine, downloads: DownloadService) -> None:
    """Let changes of settings and tokens reach those who work with them."""
    actions: Mapping[str, Callable[[int], None]] = {
        "max_parallel_downloads": downloads.set_max_parallel,
        "download_rate_limit": engine.set_rate_limit,
        "disk_reserve": downloads.set_reserve,
    }

    def changed(name: str, value: JSON) -> None:
        if name in actions:
            actions[name](_number(value))

    preferences.on_change(changed)
    tokens.on_change(downloads.wake)


async def _look_for_mounts(paths: ModelPaths) -> None:
    while True:
        await asyncio.sleep(_LOOK_FOR_MOUNTS_EVERY_S)
        try:
            if await asyncio.to_thread(paths.refresh):
                log.info("model_folders_changed", roots=[str(root) for root in paths.roots()])
        except OSError as error:
            log.warning("model_folders_unreadable", reason=str(error))


async def _tell_address(lock: WorkspaceLock, elsewhere: frozenset[Address], token: str) -> None:
    """Let commands on this machine find the server around this application, as soon as it listens.

    Args:
        elsewhere: Where this process listened before; inside a command it listens nowhere, and nobody is told.
    """
    wait_s = 0.01
    while not (ours := await asyncio.to_thread(listening_addresses) - elsewhere):
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, _LOOK_FOR_SERVER_EVERY_S)
    listens_at, port = min(ours)
    host = _LOOPBACK.get(listens_at, listens_at)
    await asyncio.to_thread(lock.announce, f"http://{f'[{host}]' if ':' in host else host}:{port}", token)


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def _tried(action: Coroutine[Any, Any, object]) -> str:
    try:
        async with asyncio.timeout(5):
            await action
    except Exception as error:  # noqa: BLE001 -- whatever it is, the probe must name it instead of failing itself
        return f"{type(error).__name__}: {error}"[:200]
    return "ok"


def _preference_defaults(settings: Settings) -> dict[str, JSON]:
    return {
        "max_parallel_downloads": settings.max_parallel_downloads,
        "download_rate_limit": settings.download_rate_limit,
        "disk_reserve": settings.disk_reserve,
        "dashboard_theme": str(settings.dashboard_theme),
        "default_image_workflow": settings.default_image_workflow,
    }


def _token_environment(settings: Settings) -> dict[str, str]:
    given = {
        "huggingface.co": settings.hf_token,
        "civitai.com": settings.civitai_token,
        "github.com": settings.github_token,
    }
    return {host: token.get_secret_value() for host, token in given.items() if token is not None}


def _register_secrets(settings: Settings) -> None:
    # ACCESS_PASSWORD is registered by Auth: masking a weak one would eat ordinary words, and so give it away.
    secrets: Sequence[SecretStr | None] = (
        settings.hf_token, settings.civitai_token, settings.github_token, settings.webhook_secret,
    )  # fmt: skip
    for secret in secrets:
        register_secret(_plain(secret))
    for url in settings.comfyui_url:
        register_secret(urlsplit(url).password)


def _announce(password: str) -> None:
    print(  # noqa: T201 -- shown once to the person at the terminal, never logged
        f"\n  Hearth's password is  {password}\n  It is shown this once; change it in the settings.\n",
        file=sys.stderr,
    )


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _number(value: JSON) -> int:
    assert isinstance(value, int)
    return value
