"""The copy of a result in a bucket, as it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field


class RemoteState(StrEnum):
    """Whether a copy is where it belongs."""

    WAITING = "waiting"  # to be uploaded, or to be tried again
    UPLOADED = "uploaded"
    FAILED = "failed"  # given up until Hearth starts again


@dataclass(frozen=True, slots=True)
class RemoteCopy:
    """Where the copy of a result is, or will be; ``error`` says why the last attempt failed."""

    url: Annotated[str, Field(examples=["s3://pictures/hearth/2026-11/019ab3f0c1d24f6e8a90b1c2/01.png"])]
    state: RemoteState
    error: Annotated[dict[str, Any] | None, Field(description="code, message, hint and, where useful, details")]
