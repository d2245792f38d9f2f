"""The workflows of a workspace, as plain files that people may edit too, and the official templates beside them."""

from backend.generation.workflows.library.entry import Entry, Shelf, Stored, Trashed, Version
from backend.generation.workflows.library.service import WorkflowLibrary
from backend.generation.workflows.library.shipped import Shelves, ShippedShelf
from backend.generation.workflows.library.templates import TemplateShelf, find_templates

__all__ = [
    "Entry",
    "Shelf",
    "Shelves",
    "ShippedShelf",
    "Stored",
    "TemplateShelf",
    "Trashed",
    "Version",
    "WorkflowLibrary",
    "find_templates",
]
