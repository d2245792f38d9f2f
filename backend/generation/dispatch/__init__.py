"""How a job finds a ComfyUI: one small interface, the engine inside this process, and the policy that any engine uses."""

from backend.generation.dispatch.embedded import EmbeddedDispatch
from backend.generation.dispatch.policy import Needs, Task, Worker
from backend.generation.dispatch.port import Dispatch, Lease, LeaseLost, Report

__all__ = ["Dispatch", "EmbeddedDispatch", "Lease", "LeaseLost", "Needs", "Report", "Task", "Worker"]
