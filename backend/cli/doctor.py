"""How ``hearth doctor`` tells what it found: what needs a person last, where the eye is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.cli.output import console, say

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "problem": ("✗", "red")}
_ORDER = ("ok", "warning", "problem")


def show_findings(findings: Sequence[Mapping[str, str]]) -> None:
    """Print a line per finding with what to do below it, and a sum."""
    from rich.text import Text

    for finding in sorted(findings, key=lambda each: _ORDER.index(each["state"])):
        mark, style = _MARKS[finding["state"]]
        console().print(Text.assemble((mark, style), " ", finding["message"]))
        if finding["hint"]:
            console().print(Text(f"  {finding['hint']}", style="dim"))
        if finding["fix"]:
            console().print(Text(f"  $ {finding['fix']}", style="bold"))
    say(_sum(findings), style="dim")


def _sum(findings: Sequence[Mapping[str, str]]) -> str:
    problems, warnings = (sum(each["state"] == state for each in findings) for state in ("problem", "warning"))
    if not problems and not warnings:
        return f"{len(findings)} checks, nothing to do."
    told = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((problems, "problem"), (warnings, "warning"))
        if count
    ]
    return f"{len(findings)} checks: {' and '.join(told)}."
