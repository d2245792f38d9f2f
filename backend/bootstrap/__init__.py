"""Join the concrete parts: the only place that knows how one part finds another.

Features are strangers to each other; they meet here through plain callables. Parts are opened from the ground up and closed
in reverse, so that whatever a part needs is there as long as the part itself.
"""

from backend.bootstrap.opening import run_services
from backend.bootstrap.services import Services, owner_of
from backend.bootstrap.starting import ComfyUIState, StartupReport

__all__ = ["ComfyUIState", "Services", "StartupReport", "owner_of", "run_services"]
