"""Where models live: ComfyUI's categories, the roots, the fence around them, and extra_model_paths.yaml."""

from backend.paths.categories import CATEGORIES, Category, category_named
from backend.paths.errors import PathError, UnknownCategory, UnsafePath
from backend.paths.layout import ModelPaths

__all__ = ["CATEGORIES", "Category", "ModelPaths", "PathError", "UnknownCategory", "UnsafePath", "category_named"]
