"""What of the environment a program that Hearth starts has no business to know: Hearth's own secrets, and tokens of hosts
that only Hearth asks.
"""

from __future__ import annotations

from collections.abc import Mapping

PRIVATE = (
    "ACCESS_PASSWORD",
    "AWS_",
    "BUCKET_",
    "CIVITAI",
    "DATABASE_URL",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "HEARTH_",
    "HF_API_TOKEN",
    "HF_TOKEN",
    "HUGGINGFACE_ACCESS_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "RESULTS_S3",
    "WEBHOOK_SECRET",
    "WEB_PASSWORD",
)


def without_private(environment: Mapping[str, str]) -> dict[str, str]:
    """Return *environment* without the variables whose names begin as those of :data:`PRIVATE` do."""
    return {name: value for name, value in environment.items() if not name.startswith(PRIVATE)}
