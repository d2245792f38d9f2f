"""Exponential delay with jitter, so that many clients never come back at the same instant."""

from __future__ import annotations

import random

_rng = random.SystemRandom()


def delay_s(attempt: int, *, base_s: float, cap_s: float, rng: random.Random = _rng) -> float:
    """Return the seconds to wait before retry number *attempt* (1 = first retry).

    The upper edge doubles per attempt up to *cap_s*; the value lies in its upper half ("equal jitter").
    """
    edge_s = min(cap_s, base_s * 2 ** max(0, attempt - 1))
    return edge_s * rng.uniform(0.5, 1.0)
