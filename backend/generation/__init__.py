"""Generation: workflows, jobs that cannot be lost, and what they made."""

from backend.generation.job import GenerationJob, Owner, State, StoredResult
from backend.generation.request import NewGeneration, Prepared

__all__ = ["GenerationJob", "NewGeneration", "Owner", "Prepared", "State", "StoredResult"]
