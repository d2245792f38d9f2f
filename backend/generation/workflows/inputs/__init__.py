"""The inputs of a workflow: found in its graph, described as JSON Schema, bound to values."""

from backend.generation.workflows.inputs.bind import Bound, bind
from backend.generation.workflows.inputs.field import Field, Group, Kind, Role, Target
from backend.generation.workflows.inputs.infer import infer_inputs
from backend.generation.workflows.inputs.schema import json_schema

__all__ = ["Bound", "Field", "Group", "Kind", "Role", "Target", "bind", "infer_inputs", "json_schema"]
