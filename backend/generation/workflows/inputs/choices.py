r"""Choices within a text: of ``a {red|blue} house`` one is drawn for each run, as ComfyUI's front end does.

Braces without a ``|`` stay as they are, so that JSON and plain braces pass; ``\{`` and ``\}`` are never a choice.
"""

from __future__ import annotations

import random
import re

# The innermost braces with at least one bar: what is chosen may be a choice itself. Nothing is tried twice (possessive),
# so that a long text without an end costs no more than its length.
_CHOICE = re.compile(r"(?<!\\)\{([^{}|]*+\|[^{}]*+)(?<!\\)\}")
_MAX_ROUNDS = 1000


def draw_choices(text: str, dice: random.Random) -> str:
    """Return *text* with every choice made; a text without choices comes back unchanged."""
    for _ in range(_MAX_ROUNDS):
        text, count = _CHOICE.subn(lambda found: dice.choice(found[1].split("|")), text)
        if not count:
            break
    return text
