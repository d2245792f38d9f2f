"""Ask hosts how large missing files are, so that a download can be judged before it is begun."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from backend.generation.workflows.ports import Ask, Told
from backend.generation.workflows.requirements import Offer
from backend.kit.clock import monotonic_s

_AT_ONCE = 6
_PATIENCE_S = 4.0  # somebody waits for the page
_KEEP_S, _KEEP_SILENCE_S = 3600.0, 60.0
_MAX_KEPT = 2000


class Asking:
    """Complete offers with what their hosts tell; answers are kept for an hour, silence for a minute."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._kept: dict[str, tuple[float, Told | None]] = {}

    async def complete(self, offers: Iterable[Offer]) -> dict[str, Offer]:
        """Return the offers by address, those without a size completed as far as hosts answer within 4 s."""
        known = {offer.url: offer for offer in offers}
        wanted = [url for url, offer in known.items() if offer.size_bytes is None and not self._is_fresh(url)]
        limit = asyncio.Semaphore(_AT_ONCE)

        async def ask(url: str) -> None:
            async with limit:
                self._keep(url, await self._ask(url))

        tasks = [asyncio.create_task(ask(url), name="ask for a size") for url in wanted]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=_PATIENCE_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for url in wanted:
            if url not in self._kept:
                self._keep(url, None)
        return {url: self._completed(offer) for url, offer in known.items()}

    def _completed(self, offer: Offer) -> Offer:
        told = self._kept.get(offer.url, (0.0, None))[1]
        if told is None or offer.size_bytes is not None:
            return offer
        return replace(
            offer,
            size_bytes=told.size_bytes,
            sha256=offer.sha256 or told.sha256,
            gated=offer.gated or told.gated,
        )

    def _is_fresh(self, url: str) -> bool:
        at, told = self._kept.get(url, (-_KEEP_S, None))
        return monotonic_s() - at < (_KEEP_SILENCE_S if told is None else _KEEP_S)

    def _keep(self, url: str, told: Told | None) -> None:
        self._kept.pop(url, None)
        self._kept[url] = monotonic_s(), told
        while len(self._kept) > _MAX_KEPT:
            del self._kept[next(iter(self._kept))]
