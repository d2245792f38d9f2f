"""Show answers: tables and sentences for people, one JSON document for scripts.

Rich is loaded when something is painted, so that ``hearth serve`` does without it. Nothing that comes from Hearth is taken
for markup, and what goes into a pipe carries neither colours nor line breaks of our own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from backend.errors import HearthError
from backend.kit.units import format_bytes

if TYPE_CHECKING:
    from rich.console import Console

_WIDE = 10_000  # columns of a pipe, which has no width of its own


def show_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


@cache
def console(*, stderr: bool = False) -> Console:
    """Return where people read."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, soft_wrap=True, highlight=False, markup=False, width=None if stream.isatty() else _WIDE
    )  # fmt: skip


def say(text: str, *, style: str | None = None) -> None:
    """Print a line."""
    console().print(text, style=style)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under *columns*."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)


def size(size_bytes: float | None) -> str:
    """Write a size, or a dash when it is not known."""
    return "–" if size_bytes is None else format_bytes(size_bytes)


def fail(error: HearthError, *, as_json: bool) -> NoReturn:
    """Print *error* and end with status 1."""
    if as_json:
        print(json.dumps({"error": error.as_dict()}, ensure_ascii=False), file=sys.stderr)
    else:
        console(stderr=True).print(error.message, style="red")
        if error.hint:
            console(stderr=True).print(error.hint)
    raise typer.Exit(1)
