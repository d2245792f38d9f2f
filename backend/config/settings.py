"""Every environment variable of Hearth: name, type, unit, default and one line on what it does.

The field name in upper case is the variable's name. ``aliases`` are names that users bring along from other images; they
mean the same. ``secret`` variables also come as ``<NAME>_FILE`` (a path whose content is the value) and their values never
appear in an error. ``docs/settings.md`` is checked against this file.
"""

from __future__ import annotations

import os
import re
import shlex
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from backend.kit.units import parse_rate, parse_size


class Theme(StrEnum):
    """The three looks of the dashboard, and following the visitor's system."""

    DARK = "dark"
    LIGHT = "light"
    HIGH_CONTRAST = "high-contrast"
    SYSTEM = "system"


class LogFormat(StrEnum):
    """How a log line is written."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    separators = value.replace(";", ",").replace("\n", ",")
    return tuple(item.strip() for item in separators.split(",") if item.strip())


def _split_arguments(value: object) -> object:
    return tuple(shlex.split(value)) if isinstance(value, str) else value


def _size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


def _rate(value: object) -> object:
    return parse_rate(value) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("it must be an http:// or https:// address")
    return value.rstrip("/")


# Names of buckets: Amazon S3 user guide, "Bucket naming rules", and what other hosts and older buckets have beyond them.
# Prefixes: "Naming Amazon S3 objects", the characters that are safe everywhere; no part begins with a dot.
_BUCKET = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9](/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?", re.ASCII)

CommaList = Annotated[tuple[str, ...], BeforeValidator(_split)]
Arguments = Annotated[tuple[str, ...], BeforeValidator(_split_arguments)]
SizeBytes = Annotated[int, BeforeValidator(_size), Field(ge=0)]
RateBytes = Annotated[int, BeforeValidator(_rate), Field(ge=0)]


def default_workspace() -> Path:
    """Return ``/workspace`` inside a container and ``./workspace`` elsewhere.

    Hearth's own image says that it is one. Any other container counts when it has a ``/workspace``, as rented GPUs do:
    a checkout in a bare development container must not write to the root of the file system.
    """
    volume = Path("/workspace")
    foreign = (Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()) and volume.is_dir()
    return volume if "HEARTH_CONTAINER" in os.environ or foreign else Path("workspace")


def _v(default: Any, doc: str, *, unit: str = "", aliases: tuple[str, ...] = (), **rules: Any) -> Any:
    """Declare one variable; *rules* are pydantic's."""
    extra: dict[str, Any] = {"unit": unit, "aliases": aliases}
    if callable(default):
        return Field(default_factory=default, description=doc, json_schema_extra=extra, **rules)
    return Field(default, description=doc, json_schema_extra=extra, **rules)


class Settings(BaseModel):
    """Everything that the environment may say, validated."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    # Where Hearth listens and lives
    host: str = _v("0.0.0.0", "Address to listen on.")  # noqa: S104 -- every door asks for the password
    port: int = _v(8000, "Port to listen on; 0 picks a free one.", ge=0, le=65535)
    workspace: Path = _v(default_workspace, "Folder that holds everything Hearth keeps.")
    extra_model_paths: CommaList = _v(
        (), "More folders with models, beside those found under /models and /runpod-volume."
    )
    trusted_proxies: CommaList = _v(
        ("127.0.0.1", "::1"), "Addresses or networks whose X-Forwarded-* headers are believed."
    )
    allowed_hosts: CommaList = _v((), "Host names the dashboard answers to; empty means any.")
    cors_origins: CommaList = _v((), "Web origins that may call the API from a browser; empty turns CORS off.")

    # Who may come in
    access_password: SecretStr | None = _v(
        None, "Password of the dashboard; unset, a strong one is generated at first start and printed once.",
        aliases=("WEB_PASSWORD",),
    )  # fmt: skip
    session_hours: int = _v(168, "How long a sign-in lasts without use.", unit="hours", ge=1, le=8760)

    # What is switched on
    enable_dashboard: bool = _v(
        True, "Serve the pages; the API answers either way.", aliases=("ENABLE_UNIFIED_DASHBOARD",)
    )
    enable_preset_manager: bool = _v(True, "Serve presets and queue the presets named in the environment.")
    demo: bool = _v(False, "Say on every page that this is a demo whose files are made up.")
    dashboard_theme: Annotated[Theme, BeforeValidator(_lower)] = _v(Theme.DARK, "Theme until a visitor picks one.")

    # Presets
    preset_download: CommaList = _v((), "Presets (video) to queue at start.", aliases=("UNIFIED_PRESET_DOWNLOAD",))
    image_preset_download: CommaList = _v((), "Presets (image) to queue at start.")
    audio_preset_download: CommaList = _v((), "Presets (audio) to queue at start.")
    preset_catalog_dir: Path | None = _v(None, "Folder of preset files to use in place of those that ship with Hearth.")
    preset_catalog_url: str | None = _v(None, "Address of a newer catalogue (zip or JSON) for 'Check for updates'.")

    # Downloads
    max_parallel_downloads: int = _v(
        4, "Files that are fetched at the same time.", ge=1, le=32, aliases=("MAX_CONCURRENT_DOWNLOADS",)
    )
    download_retries: int = _v(3, "Attempts in a row without a new byte before a file fails.", ge=0, le=100)
    download_connections_per_file: int = _v(8, "Connections that one file may use when they pay.", ge=1, le=16)
    download_connections_per_host: int = _v(16, "Connections to one host over all files.", ge=1, le=64)
    download_stall_timeout: float = _v(
        30, "Silence after which a connection is given up.", unit="seconds", ge=1, le=600
    )
    download_rate_limit: RateBytes = _v(0, "Ceiling over all downloads, such as 20MB/s; 0 means none.", unit="bytes/s")
    disk_reserve: SizeBytes = _v(2 * 1024**3, "Space that downloads leave free on every volume.", unit="bytes")
    hf_token: SecretStr | None = _v(
        None, "Hugging Face token, sent to the hub alone.",
        aliases=("HUGGING_FACE_HUB_TOKEN", "HF_API_TOKEN", "HUGGINGFACE_ACCESS_TOKEN"),
    )  # fmt: skip
    civitai_token: SecretStr | None = _v(
        None, "Civitai API token, sent to Civitai alone.", aliases=("CIVITAI_API_TOKEN", "CIVITAI_API_KEY")
    )
    github_token: SecretStr | None = _v(None, "GitHub token, for private releases.", aliases=("GH_TOKEN",))
    hf_endpoint: str = _v("https://huggingface.co", "Hub or mirror that serves Hugging Face addresses.")
    civitai_endpoint: str = _v("https://civitai.com", "Site that serves Civitai addresses.")
    github_endpoint: str = _v("https://github.com", "Site that serves GitHub release addresses.")

    # Generating
    comfyui_url: CommaList = _v((), "Addresses of running ComfyUIs, separated by commas; each is a backend for jobs.")
    comfyui_dir: Path | None = _v(None, "Checkout of ComfyUI that Hearth runs itself; not for the container.")
    comfyui_port: int = _v(8188, "Port of the ComfyUI that Hearth runs itself.", ge=1, le=65535)
    max_queue_depth: int = _v(1000, "Generations that may wait.", ge=1, le=100_000)
    max_queue_depth_per_user: int = _v(200, "Generations of one user that may wait.", ge=1, le=100_000)
    results_keep_days: int = _v(
        0, "Results older than this go to the trash unless they are favourites; 0 keeps them for ever.",
        unit="days", ge=0, le=36_500,
    )  # fmt: skip
    results_s3_access_key_id: SecretStr | None = _v(None, "Access key id for the bucket of RESULTS_S3_URL.")
    results_s3_secret_access_key: SecretStr | None = _v(None, "Its secret.")
    results_s3_url: str | None = _v(
        None, "Bucket that every result is copied to, such as s3://pictures/hearth; unset, none is."
    )
    results_s3_endpoint: str | None = _v(None, "Address of the bucket's host; unset, it is Amazon.")
    results_s3_region: str = _v("us-east-1", "Region of the bucket.", pattern=r"^[a-z0-9-]{1,64}$")
    results_s3_path_style: bool | None = _v(
        None, "Whether the bucket stands in the path of addresses; unset: with RESULTS_S3_ENDPOINT it does."
    )
    default_image_workflow: str = _v(
        "", "Id of the workflow for requests to /v1/images that name no model; empty: the first that can run here.",
        max_length=300,
    )  # fmt: skip
    webhook_secret: SecretStr | None = _v(
        None, "Signs messages to webhooks (Standard Webhooks): whsec_ and base64, or any text; unset, there are none."
    )

    # Logs
    log_level: Annotated[LogLevel, BeforeValidator(_lower)] = _v(
        LogLevel.INFO, "Least severe line that is written.", aliases=("COMFY_LOG_LEVEL",)
    )
    log_format: Annotated[LogFormat, BeforeValidator(_lower)] = _v(
        LogFormat.CONSOLE, "How lines are written: for people or for machines."
    )

    # For the container and for ComfyUI; read here so that one place knows every name
    comfyui_args: Arguments = _v(
        (), "Further flags for ComfyUI.",
        aliases=("CLI_ARGS", "COMFYUI_EXTRA_ARGS", "COMFY_CMDLINE_EXTRA", "EXTRA_ARGS"),
    )  # fmt: skip
    puid: int | None = _v(None, "User id that files belong to.", ge=0, aliases=("WANTED_UID",))
    pgid: int | None = _v(None, "Group id that files belong to.", ge=0, aliases=("WANTED_GID",))
    umask: str | None = _v(None, "Octal mask of new files' permissions, such as 022.", pattern=r"^0?[0-7]{3}$")
    time_zone: str | None = _v(None, "Time zone of logs and pages, such as Europe/Berlin.", aliases=("TZ",))
    hearth_run_dir: Path = _v(
        Path("/run/hearth"), "Where the container's start leaves its timeline and its services; absent outside of one."
    )
    public_key: str | None = _v(None, "SSH public keys that may sign in to the container as root, one a line.")
    safe_mode: bool = _v(False, "Start ComfyUI without custom nodes and without packages installed on the volume.")
    use_new_volume_strategy: bool = _v(
        True, "False copies ComfyUI and its packages to the volume, for people who edit them there."
    )
    enable_comfyui: bool = _v(True, "Run ComfyUI in the container.")
    enable_code_server: bool = _v(True, "Run code-server, in the variant that has it.")
    enable_jupyterlab: bool = _v(True, "Run JupyterLab, in the variant that has it.", aliases=("ENABLE_JUPYTER",))
    enable_sshd: bool = _v(True, "Run an SSH server where PUBLIC_KEY is set.")

    @field_validator("hf_endpoint", "civitai_endpoint", "github_endpoint", "preset_catalog_url", "results_s3_endpoint")
    @classmethod
    def _is_web_address(cls, value: str | None) -> str | None:
        return None if value is None else _web_address(value)

    @field_validator("comfyui_url")
    @classmethod
    def _are_web_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_web_address(url) for url in value))

    @field_validator("results_s3_url")
    @classmethod
    def _is_usable_bucket(cls, value: str | None, given: ValidationInfo) -> str | None:
        if value is not None and not _BUCKET.fullmatch(value):
            raise ValueError("it must be s3://bucket or s3://bucket/prefix, of letters, digits, '.', '_' and '-'")
        if value is not None and not all(
            given.data.get(key) for key in ("results_s3_access_key_id", "results_s3_secret_access_key")
        ):
            raise ValueError("RESULTS_S3_ACCESS_KEY_ID and RESULTS_S3_SECRET_ACCESS_KEY must be set too")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in value:
            raise ValueError("'*' would let any web page act as the signed-in user; name the origins")
        return tuple(_web_address(origin) for origin in value)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            try:
                ip_network(address, strict=False)
            except ValueError:
                if address != "*":
                    raise ValueError("it must hold addresses, networks such as 10.0.0.0/8, or *") from None
        return value

    @field_validator("time_zone")
    @classmethod
    def _is_time_zone(cls, value: str | None) -> str | None:
        from zoneinfo import ZoneInfo

        if value is not None:
            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError):
                raise ValueError("it must be a name of the time zone database, such as Europe/Berlin") from None
        return value

    @property
    def config_dir(self) -> Path:
        """Folder of the database, secrets and user presets."""
        return self.workspace / "config"

    @property
    def startup_presets(self) -> tuple[str, ...]:
        """Presets named in the environment, in order, each once."""
        named = (*self.preset_download, *self.image_preset_download, *self.audio_preset_download)
        return tuple(dict.fromkeys(named))
