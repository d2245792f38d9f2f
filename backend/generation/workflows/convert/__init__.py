"""From the editor's format to the server's, as ComfyUI's front end does it when "Run" is pressed."""

from backend.generation.workflows.convert.flatten import Conversion, convert
from backend.generation.workflows.convert.promoted import Promotion
from backend.generation.workflows.convert.schema import read_workflow
from backend.generation.workflows.convert.tree import known_classes, running_nodes

__all__ = ["Conversion", "Promotion", "convert", "known_classes", "read_workflow", "running_nodes"]
