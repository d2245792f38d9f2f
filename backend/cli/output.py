"""Show answers: tables and sentences for people, one JSON document for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from backend.errors import HearthError
from backend.kit.units import format_bytes

console = Console(soft_wrap=True)
_errors = Console(stderr=True, soft_wrap=True)


def show_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under *columns*."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def size(size_bytes: float | None) -> str:
    """Write a size, or a dash when it is not known."""
    return "–" if size_bytes is None else format_bytes(size_bytes)


def fail(error: HearthError, *, as_json: bool) -> NoReturn:
    """Print *error* and end with status 1."""
    if as_json:
        print(json.dumps({"error": error.as_dict()}, ensure_ascii=False), file=sys.stderr)
    else:
        _errors.print(f"[red]{error.message}[/red]", highlight=False)
        if error.hint:
            _errors.print(error.hint, highlight=False)
    raise typer.Exit(1)
