"""What each viewer took out of the history that they are told; jobs and results stay where they are."""

from __future__ import annotations

from collections.abc import Sequence

from backend.database import Database
from backend.generation import store
from backend.generation.errors import GenerationNotStored
from backend.generation.job import Owner


class History:
    """Stored, so that it holds over a restart."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hide(self, viewer: Owner, job_ids: Sequence[str] | None = None) -> None:
        """Leave jobs out from now on: those of *job_ids* that *viewer* may see and that have ended, or all such.

        Raises:
            GenerationNotStored: Nothing was left out.
        """
        owner_id = None if viewer.is_admin else viewer.id
        try:
            await self._database.write(lambda connection: store.hide(connection, viewer.id, owner_id, job_ids))
        except store.StoreFailed as error:
            raise GenerationNotStored(f"The history could not be changed: {store.reason(error)}.") from error

    async def hides(self, viewer: Owner, job_id: str) -> bool:
        """Tell whether *viewer* took a job out."""
        return await self._database.read(lambda connection: store.is_hidden(connection, viewer.id, job_id))
