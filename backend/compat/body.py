"""The body of a request in somebody else's protocol: null means left out, and fields that are not known are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, model_validator


class Body(BaseModel):
    """Base of every request's fields."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:  # Any: whatever the client sent
        if not isinstance(given, dict):
            return given
        fields = cast("Mapping[str, Any]", given)
        return {name: value for name, value in fields.items() if value is not None}
