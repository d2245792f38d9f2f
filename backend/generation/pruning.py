"""Let go of input files that nothing names any more."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from backend.database import Database
from backend.generation import store
from backend.generation.uploads import FOLDER, Uploads, names_in_text
from backend.kit.clock import utc_now
from backend.logs import get_logger

log = get_logger(__name__)

# People re-run what they made some weeks ago, and clients remember the name of a picture that they sent. A month covers
# both; inputs are sent anew with nearly every job, so that keeping them for ever would fill the volume.
KEEP_DAYS = 30
_EVERY_S = 86_400.0
_FIRST_AFTER_S = 600.0  # long after the start, which has better things to do


async def prune_uploads(database: Database, uploads: Uploads, now: datetime) -> int:
    """Delete the files that were not sent, and that no job named, in the last :data:`KEEP_DAYS`; return their bytes.

    A job that has not ended counts, however old it is.

    Raises:
        OSError: The disk refuses it.
    """
    oldest = now - timedelta(days=KEEP_DAYS)
    old = await asyncio.to_thread(uploads.sent_before, oldest.timestamp())
    if not old:
        return 0
    graphs = await database.read(lambda connection: store.graphs_since(connection, oldest, naming=f"{FOLDER}/"))
    named = {name for graph in graphs for name in names_in_text(graph)}
    loose = old.keys() - named
    await asyncio.to_thread(uploads.forget, loose)
    size = sum(old[name] for name in loose)
    if loose:
        log.info("uploads_pruned", files=len(loose), bytes=size)
    return size


async def prune_daily(database: Database, uploads: Uploads) -> None:
    """Prune once a day until cancelled."""
    await asyncio.sleep(_FIRST_AFTER_S)
    while True:
        try:
            await prune_uploads(database, uploads, utc_now())
        except (OSError, store.StoreFailed) as error:
            log.warning("uploads_not_pruned", reason=str(error))
        await asyncio.sleep(_EVERY_S)
