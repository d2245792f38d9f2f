"""``hearth`` on the command line: the same services through the same API, for people and, with ``--json``, for scripts.

A command talks to the Hearth that runs on the workspace; when none runs, it brings one up inside its own process for as
long as the command lasts. Either way there is one code path: the HTTP API.
"""

from backend.cli.commands import main

__all__ = ["main"]
