"""Take over a newer catalogue: read all of it, judge all of it, then swap one file by rename."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from backend.errors import HearthError
from backend.kit.atomic import write_atomic
from backend.presets.bundle import MAX_BUNDLE_BYTES, Bundle, read_bundle
from backend.presets.catalog import Catalog, CatalogStore, version_key
from backend.presets.errors import CatalogInvalid, CatalogUnreachable, CatalogUrlMissing
from backend.presets.preset import Origin, Preset

Fetch = Callable[[str, int], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """What an update did, by preset id; ``kept`` are the user's definitions that win over the new catalogue's."""

    version: str
    previous_version: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]


async def update_catalog(store: CatalogStore, url: str | None, fetch: Fetch) -> UpdateReport:
    """Fetch the catalogue at *url* and make it the current one; on any doubt nothing changes.

    Raises:
        CatalogUrlMissing: There is no address.
        CatalogUnreachable: The address does not answer with a file.
        CatalogInvalid: What it answers is damaged, unsafe, unsound or older than what is in use.
    Cancelled: either the old or the new catalogue is in use, whole.
    """
    if not url:
        raise CatalogUrlMissing("No address of a catalogue is set.")
    try:
        data = await fetch(url, MAX_BUNDLE_BYTES)
    except HearthError as error:
        host = urlsplit(url).hostname
        raise CatalogUnreachable(
            f"The catalogue at {host} cannot be fetched: {error.message}", hint=error.hint, details=error.details
        ) from error
    return await asyncio.to_thread(_take_over, store, data)


def _take_over(store: CatalogStore, data: bytes) -> UpdateReport:
    bundle = read_bundle(data)
    before = store.current
    _refuse_older(bundle, before)
    store.updated.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(store.updated, bundle.to_json())
    store.refresh(force=True)
    return _compare(before, store.current, bundle)


def _refuse_older(bundle: Bundle, current: Catalog) -> None:
    """An older catalogue would be written and then ignored in favour of the shipped one: say so instead."""
    if version_key(bundle.version) < version_key(current.version):
        problem = f"it has version {bundle.version}, older than {current.version} in use"
        raise CatalogInvalid(f"The catalogue is not taken: {problem}.", details={"problems": [problem]})


def _compare(before: Catalog, after: Catalog, bundle: Bundle) -> UpdateReport:
    old, new = _not_the_users(before), _not_the_users(after)
    kept = [document.id for document in bundle.presets if after.by_id[document.id].origin is Origin.USER]
    return UpdateReport(
        version=after.version,
        previous_version=before.version,
        added=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(each for each in new.keys() & old.keys() if new[each] != old[each])),
        removed=tuple(sorted(old.keys() - new.keys())),
        kept=tuple(sorted(kept)),
    )


def _not_the_users(catalog: Catalog) -> dict[str, Preset]:
    return {preset.id: preset for preset in catalog.presets if preset.origin is not Origin.USER}
