"""What Hearth itself needs: its folders, space, password, tokens, catalogue and pages."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.kit.units import format_bytes
from backend.system.checks.finding import Check, CheckState


@dataclass(frozen=True, slots=True)
class Installation:
    """What the checks look at.

    Args:
        run_dir: Where the container's start leaves what it found out; None outside of one.
        torch_prefixes: Environments in which ComfyUI's PyTorch may be, the likeliest first.
    """

    workspace: Path
    config_dir: Path
    model_roots: Sequence[Path]
    extra_model_paths: Path
    reserve_bytes: int
    weak_password: bool
    token_hosts: Sequence[str]
    catalog_size: int
    catalog_warnings: Sequence[str]
    front_end: Path
    run_dir: Path | None = None
    torch_prefixes: Sequence[Path] = ()


def _python(_: Installation) -> list[Check]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return [Check("python", CheckState.OK, f"Python {version}.")]


def _workspace(installation: Installation) -> list[Check]:
    for folder in (installation.workspace, installation.config_dir):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            hint = f"Make it writable for user id {os.getuid()}, or set WORKSPACE to another folder."
            return [Check("workspace", CheckState.PROBLEM, f"{folder} cannot be written: {reason}.", hint)]
    return [Check("workspace", CheckState.OK, f"The workspace {installation.workspace} can be written.")]


def _space(installation: Installation) -> list[Check]:
    findings: list[Check] = []
    seen: set[int] = set()
    for root in (installation.workspace, *installation.model_roots):
        try:
            device, free_bytes = root.stat().st_dev, shutil.disk_usage(root).free
        except OSError:
            continue  # an unmounted root is told by _roots
        if device in seen:
            continue
        seen.add(device)
        shown = f"{format_bytes(free_bytes)} free on the volume of {root}"
        if free_bytes <= installation.reserve_bytes:
            hint = "Delete what you no longer need, or lower DISK_RESERVE."
            reserve = format_bytes(installation.reserve_bytes)
            message = f"{shown}, not more than the reserve of {reserve}: downloads wait."
            findings.append(Check("space", CheckState.WARNING, message, hint))
        else:
            findings.append(Check("space", CheckState.OK, f"{shown}."))
    return findings


def _roots(installation: Installation) -> list[Check]:
    missing = [root for root in installation.model_roots if not root.is_dir()]
    if not missing:
        return [Check("model_folders", CheckState.OK, f"{len(installation.model_roots)} model folders are there.")]
    names = ", ".join(str(root) for root in missing)
    hint = "Mount the volume again, or remove the folder from EXTRA_MODEL_PATHS."
    return [Check("model_folders", CheckState.WARNING, f"Missing model folders: {names}.", hint)]


def _extra_model_paths(installation: Installation) -> list[Check]:
    path = installation.extra_model_paths
    if path.is_file():
        return [Check("extra_model_paths", CheckState.OK, f"ComfyUI reads its model folders from {path}.")]
    hint = "It is written at the next start; look at the log if it stays away."
    return [Check("extra_model_paths", CheckState.WARNING, f"{path} has not been written.", hint)]


def _password(installation: Installation) -> list[Check]:
    if installation.weak_password:
        hint = "Change it in the account menu, or set ACCESS_PASSWORD to something that nobody guesses."
        return [Check("password", CheckState.WARNING, "The access password is one that scanners try first.", hint)]
    return [Check("password", CheckState.OK, "The access password is not a known default.")]


def _tokens(installation: Installation) -> list[Check]:
    if installation.token_hosts:
        hosts = ", ".join(installation.token_hosts)
        return [Check("tokens", CheckState.OK, f"Tokens are kept for {hosts}.")]
    message = "No token is kept; presets that need an account will wait for one."
    return [Check("tokens", CheckState.OK, message, "Set HF_TOKEN or CIVITAI_TOKEN when you need gated files.")]


def _catalogue(installation: Installation) -> list[Check]:
    findings = [Check("catalogue", CheckState.OK, f"{installation.catalog_size} presets are known.")]
    for warning in installation.catalog_warnings:
        hint = "Correct the file; the other presets are not affected."
        findings.append(Check("catalogue", CheckState.WARNING, warning, hint))
    return findings


def _front_end(installation: Installation) -> list[Check]:
    if installation.front_end.is_file():
        return [Check("front_end", CheckState.OK, "The pages' assets are built.")]
    return [Check("front_end", CheckState.PROBLEM, "The pages' assets are not built.", "Run make setup.")]


CHECKS: Sequence[Callable[[Installation], list[Check]]] = (
    _python, _workspace, _space, _roots, _extra_model_paths, _password, _tokens, _catalogue, _front_end,
)  # fmt: skip
