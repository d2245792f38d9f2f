"""The door for ``uvicorn backend.main:app``; absolute imports only, so that it also works as ``main:app`` on a path."""

from __future__ import annotations

import sys

from backend.config import SettingsError
from backend.kit.imports import loading

with loading():
    from backend.app import create_app

    try:
        app = create_app()
    except SettingsError as error:
        sys.exit(f"Hearth cannot start: {error.message} {error.hint}")
