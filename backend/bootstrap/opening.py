"""Open every part from the ground up, and close them in reverse."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from backend.auth import Auth
from backend.bootstrap.duties import look_for_mounts, stop, tell_address
from backend.bootstrap.generating import ask_about, bucket_of, hash_of_models, make_generation, open_library
from backend.bootstrap.measuring import MeasuredVolume
from backend.bootstrap.services import Services
from backend.bootstrap.starting import Startup, make_desk
from backend.bootstrap.values import (
    SHIPPED_PRESETS,
    number,
    plain,
    preference_defaults,
    register_secrets,
    token_environment,
)
from backend.config import Settings
from backend.database import Database
from backend.downloads import DownloadService
from backend.downloads.transfer import TransferEngine, partial_bytes
from backend.errors import JSON
from backend.events import Hub
from backend.generation.knowledge import Knowledge
from backend.generation.pruning import prune_daily
from backend.generation.results import Results
from backend.generation.uploads import Uploads
from backend.generation.workflows.service import WorkflowDesk
from backend.generation.workflows.watch import WorkflowWatch
from backend.kit.listening import listening_addresses
from backend.logs import get_logger
from backend.paths import ModelPaths
from backend.presets import CatalogStore, PresetManager
from backend.sources import FileRef, Sources, Tokens
from backend.storage import Ledger
from backend.system import Preferences, StartupRecorder, WorkspaceLock, report_host

log = get_logger(__name__)


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
    register_secrets(settings)
    config_dir = settings.config_dir
    recorder = StartupRecorder()
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(recorder.loaded)
        elsewhere = await asyncio.to_thread(listening_addresses)
        lock = await asyncio.to_thread(WorkspaceLock(config_dir).__enter__)
        stack.push_async_callback(asyncio.to_thread, lock.__exit__, None, None, None)
        with recorder.phase("database", "Database opened and migrated"):
            database = await asyncio.to_thread(Database.open, config_dir / "hearth.db")
        stack.push_async_callback(asyncio.to_thread, database.close)
        with recorder.phase("parts", "Presets, downloads and results opened"):
            services = await _open(stack, settings, database, recorder, announce or _announce)
        duties = {
            "mounts": look_for_mounts(services.paths),
            "host": report_host(services.hub, services.host_sample),
            "services": services.processes.report(),
            "uploads": prune_daily(database, services.uploads),
            "workflows": WorkflowWatch(services.workflows, services.hub).run(),
            "startup": services.startup.run(),
            "address": tell_address(lock, elsewhere, services.auth.local_token(), recorder.end),
        }
        for name, duty in duties.items():
            stack.push_async_callback(stop, asyncio.create_task(duty, name=name))
        log.info("hearth_started", workspace=str(settings.workspace), presets=len(services.presets.catalog.presets))
        recorder.begin("listening", "First page served")
        yield services


async def _open(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    recorder: StartupRecorder,
    announce: Callable[[str], None],
) -> Services:
    hub = Hub()
    preferences = Preferences(database, preference_defaults(settings), settings.model_fields_set)
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
        asyncio.to_thread(Tokens.open, settings.config_dir / "tokens.json", token_environment(settings)),
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
        max_parallel=number(preferences.get("max_parallel_downloads")),
        reserve_bytes=number(preferences.get("disk_reserve")),
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
        hash_of=hash_of_models(paths, ledger),
        keep_days=settings.results_keep_days,
        remote=bucket_of(settings),
    )
    stack.push_async_callback(results.close)
    workflows = await asyncio.to_thread(open_library, settings)
    uploads = Uploads(settings.workspace / "uploads")
    generation = await make_generation(settings, database, hub, paths, results, workflows, uploads, catalog)
    await generation.start()
    stack.push_async_callback(generation.close)
    workflow_desk = WorkflowDesk(
        workflows,
        Knowledge(generation),
        presets=lambda: catalog.current.presets,
        records=ledger.all,
        find=paths.find,
        ask=lambda url: ask_about(sources, url),
        downloads=downloads,
    )
    processes = await asyncio.to_thread(make_desk, settings, generation, hub)
    startup = Startup(recorder, settings.hearth_run_dir, settings.workspace, processes, generation)
    return Services(
        settings, database, preferences, auth, tokens, sources, paths, ledger, hub, engine, downloads, presets, results,
        workflows, uploads, generation, workflow_desk, processes, startup, MeasuredVolume(settings.workspace),
    )  # fmt: skip


async def _auth(stack: AsyncExitStack, settings: Settings, database: Database, announce: Callable[[str], None]) -> Auth:
    auth = await Auth.open(
        database,
        settings.config_dir,
        access_password=plain(settings.access_password),
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
        rate_limit_bytes_s=number(preferences.get("download_rate_limit")),
        reserve_bytes=lambda: number(preferences.get("disk_reserve")),
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


def _connect(preferences: Preferences, tokens: Tokens, engine: TransferEngine, downloads: DownloadService) -> None:
    """Let changes of settings and tokens reach those who work with them."""
    actions: Mapping[str, Callable[[int], None]] = {
        "max_parallel_downloads": downloads.set_max_parallel,
        "download_rate_limit": engine.set_rate_limit,
        "disk_reserve": downloads.set_reserve,
    }

    def changed(name: str, value: JSON) -> None:
        if name in actions:
            actions[name](number(value))

    preferences.on_change(changed)
    tokens.on_change(downloads.wake)


def _announce(password: str) -> None:
    print(  # noqa: T201 -- shown once to the person at the terminal, never logged
        f"\n  Hearth's password is  {password}\n  It is shown this once; change it in the settings.\n",
        file=sys.stderr,
    )
