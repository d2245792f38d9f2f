"""The convention by which the author of a workflow names its inputs: in the titles of nodes.

==============================  =====================================================================================
``[input] Strength``            the node's first value that is not linked becomes an input with this label
``[input:steps] Quality``       the value of that name does
``[advanced] Strength``         the same, shown behind "more"; ``[advanced:steps] …`` too
``[hidden] …``                  nothing of this node becomes an input
``prompt:positive``             the node's text is the prompt
``prompt:negative``             the node's text is the negative prompt
==============================  =====================================================================================

Case and blanks around do not matter. A text may follow the last two after a blank: ``prompt:positive the picture``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backend.generation.workflows.inputs.field import Group, Role

_BRACKETS = re.compile(r"(?i)^\s*\[\s*(input|advanced|hidden)\s*(?::\s*([^\]\s]+)\s*)?\]\s*(.*?)\s*$")
_PROMPT = re.compile(r"(?i)^\s*prompt\s*:\s*(positive|negative)\b")


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a title asks for. ``input`` is None for the first value, ``label`` empty for the value's own name."""

    group: Group = Group.MAIN
    label: str = ""
    input: str | None = None
    role: Role = Role.OTHER
    is_hidden: bool = False


def read_title(title: str) -> Annotation | None:
    """Return what a title asks for, None for a plain one."""
    found = _BRACKETS.match(title)
    if found is not None:
        word = found[1].lower()
        group = Group.ADVANCED if word == "advanced" else Group.MAIN
        return Annotation(group, found[3], found[2], is_hidden=word == "hidden")
    found = _PROMPT.match(title)
    if found is None:
        return None
    return Annotation(role=Role.PROMPT if found[1].lower() == "positive" else Role.NEGATIVE_PROMPT)
