"""Keep modules out of the process that a library would load only to ask whether they are there."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager


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
