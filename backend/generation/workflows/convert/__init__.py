"""From the editor's format to the server's, as ComfyUI's front end does it when "Run" is pressed."""

from backend.generation.workflows.convert.flatten import convert
from backend.generation.workflows.convert.tree import known_classes

__all__ = ["convert", "known_classes"]
