"""What every command shares: which workspace, which door, and how an error is shown."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from typing import Annotated, cast

import typer

from backend.cli.door import Door, open_door
from backend.cli.output import fail
from backend.config import Settings, load_settings
from backend.errors import HearthError

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def settings_of(context: typer.Context, **changes: object) -> Settings:
    """Read the settings, with the workspace of the command line on top."""
    if context.find_root().obj is not None:
        changes["workspace"] = context.find_root().obj
    return load_settings(os.environ, **changes)[0]


@contextlib.contextmanager
def session(context: typer.Context, *, as_json: bool) -> Generator[Door]:
    """Open a door for one command and show errors the way the command was asked to."""
    with errors_shown(as_json=as_json), open_door(settings_of(context)) as door:
        yield door


@contextlib.contextmanager
def errors_shown(*, as_json: bool) -> Generator[None]:
    """Turn Hearth's errors into a printed sentence and status 1."""
    try:
        yield
    except HearthError as error:
        fail(error, as_json=as_json)
    except BaseExceptionGroup as group:
        # The in-process Hearth runs in a task group; its first real error is what the user wants to read.
        first = _first_hearth_error(group)
        if first is None:
            raise
        fail(first, as_json=as_json)


def _first_hearth_error(group: BaseExceptionGroup[BaseException]) -> HearthError | None:
    for error in group.exceptions:
        if isinstance(error, HearthError):
            return error
        if isinstance(error, BaseExceptionGroup):
            inner = _first_hearth_error(cast("BaseExceptionGroup[BaseException]", error))
            if inner is not None:
                return inner
    return None
