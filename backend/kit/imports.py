"""Load a program quickly: without what a library would load or build for the case that it is wanted, and without collecting."""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager

from pydantic import BaseModel


@contextmanager
def absent(*names: str) -> Generator[None]:
    """Let modules seem not to be installed for as long as the context lasts; those already loaded stay loaded.

    For libraries that import another one optionally and handle its absence. Not for use while other threads import.
    """
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType] -- "import of name halted" (importlib)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def unbuilt() -> Generator[None]:
    """Let the pydantic models of the modules that are loaded meanwhile be built when they are first used.

    For libraries that bring models which a program may never use. Not for use while other threads define models.
    """
    usual = BaseModel.model_config
    BaseModel.model_config = {**usual, "defer_build": True}
    try:
        yield
    finally:
        BaseModel.model_config = usual


@contextmanager
def loading() -> Generator[None]:
    """Load a program for good: no garbage is looked for meanwhile, and what is there at the end is never looked at again.

    Modules live as long as the process, so walking them finds nothing: a twentieth of the start, and of each full collection.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
        gc.freeze()
