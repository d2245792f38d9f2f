"""The machine and this installation: settings changed in the dashboard, the workspace lock, checks, the host's load."""

from backend.system.checks import Check, CheckState, Installation, run_checks
from backend.system.host import HostProbe, HostSample, disks_of, sample_host
from backend.system.preferences import Preferences, PreferenceView
from backend.system.reporter import report_host
from backend.system.runtime import WorkspaceLock

__all__ = [
    "Check",
    "CheckState",
    "HostProbe",
    "HostSample",
    "Installation",
    "PreferenceView",
    "Preferences",
    "WorkspaceLock",
    "disks_of",
    "report_host",
    "run_checks",
    "sample_host",
]
