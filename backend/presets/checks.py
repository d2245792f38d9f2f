"""Checks of presets as they are asked for: by id, with the host's promise where the preset has none, told to the hub."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from backend.errors import HearthError
from backend.events import Hub
from backend.kit.files import VerifiedFile
from backend.logs import get_logger
from backend.presets.changes import publish_verification
from backend.presets.errors import VerificationNotFound
from backend.presets.preset import PresetFile
from backend.presets.promises import Promises
from backend.presets.states import StateKeeper
from backend.presets.verification import Verification, Verifier
from backend.presets.view import VerificationView, view_verification

_log = get_logger(__name__)

Promised = Callable[[str], Awaitable[str | None]]


class Checks:
    """Start, follow and stop checks.

    Args:
        find: Where a file lies now; blocking.
        record: Keeps what a check found out.
        promised: Asks the host of an address for the checksum of the file there; None when it promises none.
    """

    def __init__(
        self,
        *,
        keeper: StateKeeper,
        promises: Promises,
        hub: Hub,
        find: Callable[[str, str], Path | None],
        record: Callable[[VerifiedFile], Awaitable[None]],
        promised: Promised,
    ) -> None:
        self._keeper = keeper
        self._promises = promises
        self._hub = hub
        self._ask_host = promised
        self._verifier = Verifier(find=find, record=record, promised=self._promise_for, changed=self._tell)

    async def start(self, preset_id: str, *, wait: bool = False) -> VerificationView:
        """Begin to read a preset's files and compare their checksums, or join the check that is under way.

        Args:
            wait: Return at its end instead of at once.
        Raises:
            PresetNotFound, PresetRetired: The id leads nowhere.
        Cancelled while waiting: the check goes on.
        """
        self._keeper.invalidate()
        snapshot = await self._keeper.fresh()
        preset = snapshot.catalog.get(preset_id)
        states = snapshot.states[preset.id].files
        sizes = {
            file.place: state.bytes_present
            for file, state in zip(preset.files, states, strict=True)
            if state.path is not None
        }
        check = self._verifier.start(preset, sizes)
        if wait:
            await self._verifier.wait(preset.id)
            await self._keeper.fresh()
        return self._view(check)

    async def last(self, preset_id: str) -> VerificationView:
        """Return the latest check of a preset.

        Raises:
            VerificationNotFound: It was not checked since the start.
        """
        preset = (await self._keeper.fresh()).catalog.get(preset_id)
        check = self._verifier.last(preset.id)
        if check is None:
            raise VerificationNotFound(f"{preset.name} was not checked since Hearth started.")
        return self._view(check)

    async def cancel(self, preset_id: str) -> VerificationView:
        """Stop a check and return where it stopped; one that has ended stays as it is.

        Raises:
            VerificationNotFound: The preset was not checked since the start.
        """
        preset = (await self._keeper.fresh()).catalog.get(preset_id)
        await self._verifier.cancel(preset.id)
        return await self.last(preset.id)

    async def close(self) -> None:
        """Stop every check; no thread of theirs stays."""
        await self._verifier.close()

    async def _promise_for(self, file: PresetFile) -> str | None:
        try:
            promised = await self._ask_host(file.url)
        except HearthError as error:
            _log.info("checksum_not_promised", file=file.name, reason=error.message)
            return self._promises.all().get(file.url)
        if promised is not None:
            await self._promises.learn(file.url, promised)
        return promised

    async def _tell(self, check: Verification) -> None:
        if not check.active:
            await self._keeper.fresh()
        publish_verification(self._hub, self._view(check), active=check.active)

    def _view(self, check: Verification) -> VerificationView:
        snapshot = self._keeper.current
        preset = snapshot.catalog.by_id.get(check.preset_id)
        return view_verification(check, preset, snapshot.states.get(check.preset_id))
