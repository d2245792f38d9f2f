"""The machine and this installation: settings changed in the dashboard, the workspace lock, checks, the host's load."""

from backend.system.checks import Check, CheckState, Installation, run_checks
from backend.system.preferences import Preferences, PreferenceView
from backend.system.runtime import Runtime, WorkspaceLock, read_runtime

__all__ = [
    "Check",
    "CheckState",
    "Installation",
    "PreferenceView",
    "Preferences",
    "Runtime",
    "WorkspaceLock",
    "read_runtime",
    "run_checks",
]
