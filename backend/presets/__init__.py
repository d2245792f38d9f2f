"""Presets: named sets of model files, what of them is on disk, and how to get, check and remove them."""

from backend.presets.catalog import Catalog, CatalogStore
from backend.presets.definitions import MAX_FILE_BYTES as MAX_DEFINITION_BYTES
from backend.presets.errors import InvalidPreset, PresetError, PresetsDisabled, VerificationNotFound
from backend.presets.installation import Inspector, Status
from backend.presets.pages import Encoded, encode
from backend.presets.preset import CATEGORY_NAMES, Category, Preset
from backend.presets.query import PresetQuery, Sort, parse_query
from backend.presets.schema import PresetDocument, document_schema, parse_preset
from backend.presets.service import PresetManager, Queued
from backend.presets.states import Snapshot
from backend.presets.update import UpdateReport
from backend.presets.upkeep import Removal, Restored
from backend.presets.view import (
    CategoryList,
    PresetDetail,
    PresetFileView,
    PresetPage,
    PresetStatusView,
    PresetView,
    VerificationView,
)

__all__ = [
    "CATEGORY_NAMES",
    "MAX_DEFINITION_BYTES",
    "Catalog",
    "CatalogStore",
    "Category",
    "CategoryList",
    "Encoded",
    "Inspector",
    "InvalidPreset",
    "Preset",
    "PresetDetail",
    "PresetDocument",
    "PresetError",
    "PresetFileView",
    "PresetManager",
    "PresetPage",
    "PresetQuery",
    "PresetStatusView",
    "PresetView",
    "PresetsDisabled",
    "Queued",
    "Removal",
    "Restored",
    "Snapshot",
    "Sort",
    "Status",
    "UpdateReport",
    "VerificationNotFound",
    "VerificationView",
    "document_schema",
    "encode",
    "parse_preset",
    "parse_query",
]
