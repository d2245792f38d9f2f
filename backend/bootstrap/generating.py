"""Join generation with the presets, model folders and hosts that it is a stranger to."""

from __future__ import annotations

import os
from collections.abc import Sequence

from backend.bootstrap.values import SHIPPED_WORKFLOWS, plain
from backend.config import Settings
from backend.database import Database
from backend.events import Hub
from backend.generation import GenerationLimits, GenerationService, Remedy
from backend.generation.opening import Child, make_backends
from backend.generation.preparing import Preparer
from backend.generation.results import HashOf, Results
from backend.generation.uploads import Uploads
from backend.generation.workflows import Shelves, ShippedShelf, TemplateShelf, WorkflowLibrary, find_templates
from backend.generation.workflows.ports import Told
from backend.paths import ModelPaths
from backend.presets import CatalogStore
from backend.sources import Bucket, FileRef, SourceError, Sources, post_bytes
from backend.storage import Ledger


def open_library(settings: Settings) -> WorkflowLibrary:
    """Open the shelves of workflows: the user's own, the shipped ones, the official templates; blocking."""
    templates = find_templates()
    official = [] if templates is None else [TemplateShelf(templates)]
    return WorkflowLibrary(settings.workspace / "workflows", Shelves([ShippedShelf(SHIPPED_WORKFLOWS), *official]))


async def make_generation(
    settings: Settings,
    database: Database,
    hub: Hub,
    paths: ModelPaths,
    results: Results,
    workflows: WorkflowLibrary,
    uploads: Uploads,
    catalog: CatalogStore,
) -> GenerationService:
    """Make the service, with its backends; nothing runs before its start."""
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
        webhook_secret=plain(settings.webhook_secret),
        limits=GenerationLimits(settings.max_queue_depth, settings.max_queue_depth_per_user),
        copies=results.uploader,
    )
    opened.append(service)
    return service


def bucket_of(settings: Settings) -> Bucket | None:
    """Return the bucket that results are copied to; None: they are not."""
    key_id, key = plain(settings.results_s3_access_key_id), plain(settings.results_s3_secret_access_key)
    if settings.results_s3_url is None or key_id is None or key is None:
        return None
    return Bucket(
        settings.results_s3_url,
        access_key_id=key_id,
        secret_access_key=key,
        region=settings.results_s3_region,
        endpoint=settings.results_s3_endpoint,
        path_style=settings.results_s3_path_style,
    )


async def ask_about(sources: Sources, url: str) -> Told | None:
    """Ask the host of a file about it; one that refuses for want of a token or licence has a gated file."""
    try:
        remote = await sources.resolve(FileRef(url))
    except SourceError as error:
        return Told(gated=True) if error.waits_for is not None else None
    return Told(remote.size_bytes, remote.sha256)


def hash_of_models(paths: ModelPaths, ledger: Ledger) -> HashOf:
    """Look up hashes of models for those who only know what a graph calls them."""

    def hash_of(category: str, name: str) -> str | None:
        *below, file = name.split("/")
        path = paths.find("/".join((category, *below)), file)
        record = None if path is None else ledger.lookup_sync(path)
        return None if record is None else record.sha256

    return hash_of


def _remedies(catalog: CatalogStore, names: Sequence[str]) -> list[Remedy]:
    """Find presets that bring model files, by the name of the file or the end of its path."""
    return [
        Remedy(name, preset_id=preset_id, directory=directory)
        for name in names
        for (directory, file), preset_ids in catalog.current.users.items()
        for preset_id in preset_ids
        if name.rpartition("/")[2] == file.rpartition("/")[2]
    ]
