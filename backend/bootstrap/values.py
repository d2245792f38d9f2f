"""What the parts get from the settings, and where the shipped files are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from backend.config import Settings
from backend.errors import JSON
from backend.kit.redact import register_secret

_ROOT = Path(__file__).parent.parent.parent
SHIPPED_PRESETS = _ROOT / "config" / "presets"
SHIPPED_WORKFLOWS = _ROOT / "config" / "workflows"
_IMAGE_VENV = Path("/opt/venv")
FRONT_END = _ROOT / "frontend" / "static" / "dist" / "manifest.json"


def preference_defaults(settings: Settings) -> dict[str, JSON]:
    """Return the value of each preference when nobody has changed it."""
    return {
        "max_parallel_downloads": settings.max_parallel_downloads,
        "download_rate_limit": settings.download_rate_limit,
        "disk_reserve": settings.disk_reserve,
        "dashboard_theme": str(settings.dashboard_theme),
        "default_image_workflow": settings.default_image_workflow,
    }


def token_environment(settings: Settings) -> dict[str, str]:
    """Return the tokens of the environment by the host that they belong to."""
    given = {
        "huggingface.co": settings.hf_token,
        "civitai.com": settings.civitai_token,
        "github.com": settings.github_token,
    }
    return {host: token.get_secret_value() for host, token in given.items() if token is not None}


def torch_prefixes(settings: Settings) -> tuple[Path, ...]:
    """Return the environments in which ComfyUI's PyTorch may be: the image's, or that of the checkout."""
    checkout = settings.comfyui_dir
    return (_IMAGE_VENV,) if checkout is None else (checkout / ".venv", checkout / "venv", checkout.parent / ".venv")


def register_secrets(settings: Settings) -> None:
    """Mask the secrets of the settings in every log from now on."""
    # ACCESS_PASSWORD is registered by Auth: masking a weak one would eat ordinary words, and so give it away.
    secrets: Sequence[SecretStr | None] = (
        settings.hf_token, settings.civitai_token, settings.github_token, settings.webhook_secret,
        settings.results_s3_access_key_id, settings.results_s3_secret_access_key,
    )  # fmt: skip
    for secret in secrets:
        register_secret(plain(secret))
    for url in settings.comfyui_url:
        register_secret(urlsplit(url).password)


def plain(secret: SecretStr | None) -> str | None:
    """Return the text of a secret."""
    return None if secret is None else secret.get_secret_value()


def number(value: JSON) -> int:
    """Return a preference that is a number as such."""
    assert isinstance(value, int)
    return value
