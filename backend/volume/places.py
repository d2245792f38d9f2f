"""Where everything lies, in the image and on the volume; tests move all of it below a folder of theirs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple


class Places(NamedTuple):
    """Every path from four roots.

    Args:
        workspace: The volume.
        run: State of this container's life, ``/run/hearth``.
        root: Where other images' volumes are looked for, such as ``/runpod-volume``.
        opt: The immutable part of the image.
        system_python: The interpreter that the image's environments were made with.
    """

    workspace: Path = Path("/workspace")
    run: Path = Path("/run/hearth")
    root: Path = Path("/")
    opt: Path = Path("/opt")
    system_python: Path = Path("/usr/bin/python3")

    @property
    def minor(self) -> str:
        """The interpreter's version as folders are named after it: ``3.11``."""
        return f"{sys.version_info.major}.{sys.version_info.minor}"

    @property
    def image_packages(self) -> Path:
        """The packages of ComfyUI in the image."""
        return self.opt / "venv" / "lib" / f"python{self.minor}" / "site-packages"

    @property
    def image_nodes(self) -> Path:
        """Custom nodes that the image brings."""
        return self.opt / "nodes"

    @property
    def comfyui(self) -> Path:
        """ComfyUI's code in the image."""
        return self.opt / "ComfyUI"

    @property
    def base(self) -> Path:
        """ComfyUI's base directory on the volume."""
        return self.workspace / "ComfyUI"

    @property
    def venv(self) -> Path:
        """The user's environment, a thin layer on the image's."""
        return self.workspace / "venv"

    @property
    def packages(self) -> Path:
        """The user's own packages."""
        return self.venv / "lib" / f"python{self.minor}" / "site-packages"

    @property
    def config(self) -> Path:
        """Hearth's own files."""
        return self.workspace / "config"

    @property
    def logs(self) -> Path:
        """A folder of log files for each service."""
        return self.workspace / "logs"

    @property
    def hooks(self) -> Path:
        """The user's scripts of the start."""
        return self.workspace / "hooks"

    @property
    def safe_mode_switch(self) -> Path:
        """While this file exists, ComfyUI starts without custom nodes and without the user's packages."""
        return self.config / "safe-mode"

    @property
    def layout_mark(self) -> Path:
        """Says that Hearth was here, and with which Python."""
        return self.config / "layout.json"

    @property
    def copy_mark(self) -> Path:
        """Says that the copy strategy has copied everything."""
        return self.base / ".hearth-copy.json"

    @property
    def node_overlay(self) -> Path:
        """Links to those nodes of the image that the volume lacks."""
        return self.run / "nodes"

    @property
    def node_paths(self) -> Path:
        """The file that tells ComfyUI about further folders of custom nodes."""
        return self.run / "nodes.yaml"

    @property
    def found(self) -> Path:
        """What was found, for the other services."""
        return self.run / "volume.json"

    @property
    def timeline(self) -> Path:
        """How long each phase of the start took."""
        return self.run / "timeline.jsonl"

    @property
    def services(self) -> Path:
        """The live scan directory of s6."""
        return self.run / "services"

    @property
    def attempts(self) -> Path:
        """One JSON file for each service that ended: how often, why, and when it is started again."""
        return self.run / "attempts"
