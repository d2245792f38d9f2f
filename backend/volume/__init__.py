"""The volume of a container: whose files lie on it, and how it is made ready within milliseconds.

Standard library alone: it runs before anything else of the container, by the system's Python without site packages.
"""

from backend.volume.copying import Copying, copy, is_complete
from backend.volume.findings import Filesystem, Found, LayoutKind, Notice, Packages, User
from backend.volume.mounts import Mount, read_mounts
from backend.volume.owner import act_as, act_as_root, choose, take
from backend.volume.places import Places
from backend.volume.preparation import Wishes, choose_workspace, prepare

__all__ = [
    "Copying",
    "Filesystem",
    "Found",
    "LayoutKind",
    "Mount",
    "Notice",
    "Packages",
    "Places",
    "User",
    "Wishes",
    "act_as",
    "act_as_root",
    "choose",
    "choose_workspace",
    "copy",
    "is_complete",
    "prepare",
    "read_mounts",
    "take",
]
