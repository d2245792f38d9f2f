"""The machine and this installation: settings changed in the dashboard, services and their logs, the start, checks, load."""

from backend.system.bootlog import BootLog, NodeFailure, NodeImport, read_boot
from backend.system.bootlog_advice import Advice, AdviceKind
from backend.system.checks import Check, CheckState, Installation, VolumeSpeed, measure_volume, run_checks, speed_checks
from backend.system.errors import IllegalServiceAction, ServiceNotSteered, UnknownService
from backend.system.host import HostProbe, HostSample, disks_of, sample_host
from backend.system.logs import Entry, Level, LogReader, LogSource, at_least
from backend.system.preferences import Preferences, PreferenceView
from backend.system.reporter import report_host
from backend.system.runtime import WorkspaceLock
from backend.system.services import (
    Action,
    ChildSupervisor,
    LastExit,
    OwnProcess,
    S6Supervisor,
    Service,
    ServiceDesk,
    ServiceState,
    Supervisor,
)
from backend.system.startup import (
    ComfyUIStart,
    Part,
    Phase,
    StartupRecorder,
    comfyui_phases,
    container_phases,
    copy_progress,
    total_ms,
    volume_report,
)
from backend.system.startup_watch import ComfyUIWatch

__all__ = [
    "Action",
    "Advice",
    "AdviceKind",
    "BootLog",
    "Check",
    "CheckState",
    "ChildSupervisor",
    "ComfyUIStart",
    "ComfyUIWatch",
    "Entry",
    "HostProbe",
    "HostSample",
    "IllegalServiceAction",
    "Installation",
    "LastExit",
    "Level",
    "LogReader",
    "LogSource",
    "NodeFailure",
    "NodeImport",
    "OwnProcess",
    "Part",
    "Phase",
    "PreferenceView",
    "Preferences",
    "S6Supervisor",
    "Service",
    "ServiceDesk",
    "ServiceNotSteered",
    "ServiceState",
    "StartupRecorder",
    "Supervisor",
    "UnknownService",
    "VolumeSpeed",
    "WorkspaceLock",
    "at_least",
    "comfyui_phases",
    "container_phases",
    "copy_progress",
    "disks_of",
    "measure_volume",
    "read_boot",
    "report_host",
    "run_checks",
    "sample_host",
    "speed_checks",
    "total_ms",
    "volume_report",
]
