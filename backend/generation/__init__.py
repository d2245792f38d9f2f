"""Generation: workflows, jobs that cannot be lost, and what they made."""

from backend.generation.backends import Backend, BackendPace, BackendShown, BackendState
from backend.generation.errors import GenerationError, GenerationNotFound, IllegalGenerationState, InvalidGeneration
from backend.generation.job import Job, Owner, State, StoredResult
from backend.generation.plan import in_order, nodes_of
from backend.generation.ports import Making, Output, Prepare, Remedy, ResultStore
from backend.generation.prompts import prepare_prompt
from backend.generation.reader import GenerationPage
from backend.generation.request import NewGeneration, Prepared, Source
from backend.generation.service import GenerationLimits, GenerationService
from backend.generation.shown import GenerationJob, NodeShown
from backend.generation.store import StoredEvent
from backend.generation.uploads import Uploads

__all__ = [
    "Backend",
    "BackendPace",
    "BackendShown",
    "BackendState",
    "GenerationError",
    "GenerationJob",
    "GenerationLimits",
    "GenerationNotFound",
    "GenerationPage",
    "GenerationService",
    "IllegalGenerationState",
    "InvalidGeneration",
    "Job",
    "Making",
    "NewGeneration",
    "NodeShown",
    "Output",
    "Owner",
    "Prepare",
    "Prepared",
    "Remedy",
    "ResultStore",
    "Source",
    "State",
    "StoredEvent",
    "StoredResult",
    "Uploads",
    "in_order",
    "nodes_of",
    "prepare_prompt",
]
