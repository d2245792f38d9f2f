"""ComfyUI's wire contract, from version 0.3.64 on: ask it, listen to it, follow an execution, run one as a child.

* :class:`ComfyUIClient` asks over HTTP, :class:`Stream` listens, :class:`Follower` joins the two for executions.
* :class:`Graph` is a graph in API format, :class:`ObjectInfo` what nodes and models a server has.
* :class:`ComfyUIProcess` keeps one checkout running.
"""

from backend.comfyui.client import ComfyUIClient, Place, Whereabouts, new_prompt_id
from backend.comfyui.endings import Ending, Outcome
from backend.comfyui.errors import (
    ComfyUIError,
    ComfyUIRefused,
    ComfyUISilent,
    ComfyUIStuck,
    ComfyUIUnreachable,
    CrashLoop,
    Interrupted,
    InvalidInput,
    Lost,
    MissingModel,
    MissingNode,
    NodeError,
    NodeProblem,
    NotInstalled,
    OutOfMemory,
    OutputNotFound,
    OutputTooLarge,
    PortTaken,
    ProcessError,
    RequestTooLarge,
    StartFailed,
)
from backend.comfyui.exits import Exit
from backend.comfyui.files import OpenFile, Saved
from backend.comfyui.follow import Follower, FollowPace
from backend.comfyui.graph import Graph, Link, Node, is_link
from backend.comfyui.installation import Installation
from backend.comfyui.jobs import ComfyUIJob, JobStatus
from backend.comfyui.launch import LaunchPlan
from backend.comfyui.log_ring import LogLine, LogRing
from backend.comfyui.model_inputs import folder_of, is_model_input
from backend.comfyui.object_info import InputSpec, ModelReference, NodeClass, ObjectInfo
from backend.comfyui.outputs import NodeOutput, OutputFile
from backend.comfyui.process import ComfyUIProcess, ProcessPace, ProcessState
from backend.comfyui.progress import (
    Ended,
    NodeFinished,
    NodeSaid,
    NodesCached,
    NodeStarted,
    PreviewImage,
    Produced,
    Progress,
    Queued,
    Snapshot,
    Started,
    Step,
    Tracker,
    Unheard,
)
from backend.comfyui.stream import Stream, StreamPace
from backend.comfyui.userdata import UserFile
from backend.comfyui.values import (
    Device,
    Features,
    HistoryRecord,
    ModelFile,
    Queue,
    QueueEntry,
    Submitted,
    SystemStats,
    Uploaded,
)
from backend.comfyui.watch import Watch
from backend.comfyui.wire import Timeouts

__all__ = [
    "ComfyUIClient",
    "ComfyUIError",
    "ComfyUIJob",
    "ComfyUIProcess",
    "ComfyUIRefused",
    "ComfyUISilent",
    "ComfyUIStuck",
    "ComfyUIUnreachable",
    "CrashLoop",
    "Device",
    "Ended",
    "Ending",
    "Exit",
    "Features",
    "FollowPace",
    "Follower",
    "Graph",
    "HistoryRecord",
    "InputSpec",
    "Installation",
    "Interrupted",
    "InvalidInput",
    "JobStatus",
    "LaunchPlan",
    "Link",
    "LogLine",
    "LogRing",
    "Lost",
    "MissingModel",
    "MissingNode",
    "ModelFile",
    "ModelReference",
    "Node",
    "NodeClass",
    "NodeError",
    "NodeFinished",
    "NodeOutput",
    "NodeProblem",
    "NodeSaid",
    "NodeStarted",
    "NodesCached",
    "NotInstalled",
    "ObjectInfo",
    "OpenFile",
    "OutOfMemory",
    "Outcome",
    "OutputFile",
    "OutputNotFound",
    "OutputTooLarge",
    "Place",
    "PortTaken",
    "PreviewImage",
    "ProcessError",
    "ProcessPace",
    "ProcessState",
    "Produced",
    "Progress",
    "Queue",
    "QueueEntry",
    "Queued",
    "RequestTooLarge",
    "Saved",
    "Snapshot",
    "StartFailed",
    "Started",
    "Step",
    "Stream",
    "StreamPace",
    "Submitted",
    "SystemStats",
    "Timeouts",
    "Tracker",
    "Unheard",
    "Uploaded",
    "UserFile",
    "Watch",
    "Whereabouts",
    "folder_of",
    "is_link",
    "is_model_input",
    "new_prompt_id",
]
