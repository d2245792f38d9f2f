"""Workflows: read them, convert them, find their inputs, say what they need, keep them in a library.

All but the library are pure functions over values; the library blocks and belongs into a thread.
"""

from backend.generation.workflows.convert import Conversion, Promotion, convert
from backend.generation.workflows.definitions import ObjectInfo
from backend.generation.workflows.describe import curl, example_inputs, openapi_operation, python
from backend.generation.workflows.document import Document, Format, Graph, document_of, parse_document, read_document
from backend.generation.workflows.errors import (
    ConversionFailed,
    InvalidInputs,
    NotAWorkflow,
    NoWorkflowInside,
    UnknownNodes,
    WorkflowError,
    WorkflowNotFound,
    WorkflowTooLarge,
)
from backend.generation.workflows.inputs import (
    Bound,
    Field,
    Group,
    Kind,
    Role,
    Target,
    bind,
    infer_inputs,
    json_schema,
)
from backend.generation.workflows.library import (
    Entry,
    Shelf,
    Shelves,
    ShippedShelf,
    Stored,
    TemplateShelf,
    Trashed,
    Version,
    WorkflowLibrary,
    find_templates,
)
from backend.generation.workflows.prepare import Prepared, prepare
from backend.generation.workflows.requirements import (
    ModelNeed,
    NodeNeed,
    Offer,
    Requirements,
    Source,
    find_requirements,
    installed_of,
    missing_nodes,
    resolve,
)
from backend.generation.workflows.validation import Problem, Trouble, find_problems

__all__ = [
    "Bound",
    "Conversion",
    "ConversionFailed",
    "Document",
    "Entry",
    "Field",
    "Format",
    "Graph",
    "Group",
    "InvalidInputs",
    "Kind",
    "ModelNeed",
    "NoWorkflowInside",
    "NodeNeed",
    "NotAWorkflow",
    "ObjectInfo",
    "Offer",
    "Prepared",
    "Problem",
    "Promotion",
    "Requirements",
    "Role",
    "Shelf",
    "Shelves",
    "ShippedShelf",
    "Source",
    "Stored",
    "Target",
    "TemplateShelf",
    "Trashed",
    "Trouble",
    "UnknownNodes",
    "Version",
    "WorkflowError",
    "WorkflowLibrary",
    "WorkflowNotFound",
    "WorkflowTooLarge",
    "bind",
    "convert",
    "curl",
    "document_of",
    "example_inputs",
    "find_problems",
    "find_requirements",
    "find_templates",
    "infer_inputs",
    "installed_of",
    "json_schema",
    "missing_nodes",
    "openapi_operation",
    "parse_document",
    "prepare",
    "python",
    "read_document",
    "resolve",
]
