"""The command line of a ComfyUI, and what must be there before it starts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backend.comfyui.installation import Installation
from backend.kit.privacy import without_private

# ComfyUI-Manager's agreement with comfy-cli: instead of executing itself anew it leaves "<value>.reboot" and exits with 0.
_SESSION = "__COMFY_CLI_SESSION__"
# Runs in the child before ComfyUI does: the kernel shall end it when Hearth dies, however Hearth dies (prctl(2)), and
# SIGINT shall stop it even where Hearth was started with SIGINT ignored, as shells do with background jobs.
_BOUND_TO_PARENT = (
    "import ctypes,os,signal,sys\n"
    "ctypes.CDLL(None).prctl(1,signal.SIGTERM,0,0,0)\n"
    "signal.signal(signal.SIGINT,signal.SIG_DFL)\n"
    "os.getppid()==int(sys.argv[1]) or os._exit(143)\n"
    "os.execv(sys.argv[2],sys.argv[2:])\n"
)


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """How to start one ComfyUI on the loopback interface.

    Args:
        base_directory: Holds models, custom_nodes, input, output, temp and user; None for the checkout itself.
        database: File of ComfyUI's own database; None keeps it in memory. Two servers must not share one.
        extra_model_paths: A YAML file with further folders of models.
        arguments: Further flags, which win over those that are set here.
        preview_method: How previews are made; ``none`` for no previews.
    """

    installation: Installation
    port: int
    base_directory: Path | None = None
    database: Path | None = None
    extra_model_paths: Path | None = None
    arguments: tuple[str, ...] = ()
    preview_method: str = "auto"
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def url(self) -> str:
        """Where it will answer."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Return the program and its arguments."""
        base = self.base_directory
        database = "sqlite:///:memory:" if self.database is None else f"sqlite:///{self.database}"
        return [
            str(self.installation.python),
            "-u",
            str(self.installation.directory / "main.py"),
            "--listen", "127.0.0.1",
            "--port", str(self.port),
            *(() if base is None else ("--base-directory", str(base))),
            "--database-url", database,
            *(() if self.extra_model_paths is None else ("--extra-model-paths-config", str(self.extra_model_paths))),
            "--preview-method", self.preview_method,
            *self.arguments,
        ]  # fmt: skip

    def bound_command(self, parent: int) -> list[str]:
        """Return the command in a form that does not outlive the process *parent*; elsewhere than on Linux, as it is."""
        command = self.command()
        if not sys.platform.startswith("linux"):
            return command
        return [command[0], "-I", "-S", "-c", _BOUND_TO_PARENT, str(parent), *command]

    def child_environment(self) -> dict[str, str]:
        """Return the environment without what is private to Hearth, and with where a wish for a restart is left."""
        return {**without_private(self.environment), _SESSION: str(self._session)}

    @property
    def reboot_mark(self) -> Path:
        """The file that ComfyUI-Manager leaves before it ends ComfyUI in order to have it started again."""
        return self._session.with_name(f"{self._session.name}.reboot")

    @property
    def _session(self) -> Path:
        return (self.base_directory or self.installation.directory) / "user" / f".hearth-{self.port}"

    def prepare(self) -> None:
        """Make the folders without which ComfyUI does not start; blocking.

        Raises:
            OSError: A folder cannot be made.
        """
        if self.base_directory is not None:
            # Without this folder ComfyUI ends with exit code 1.
            (self.base_directory / "custom_nodes").mkdir(parents=True, exist_ok=True)
        if self.database is not None:
            self.database.parent.mkdir(parents=True, exist_ok=True)
        self.reboot_mark.parent.mkdir(parents=True, exist_ok=True)
        self.reboot_mark.unlink(missing_ok=True)
