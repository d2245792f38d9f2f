"""The download queue: jobs that survive everything, their order, the disk plan, and the transfers under them."""

from backend.downloads.errors import DownloadError, DownloadNotFound, IllegalDownloadState, InvalidDownloadRequest
from backend.downloads.job import DownloadState, JobKind
from backend.downloads.service import DownloadService
from backend.downloads.transfer import TransferEngine, discard_partial, partial_bytes
from backend.downloads.view import DownloadFile, DownloadJob, DownloadPage, QueueTotals

__all__ = [
    "DownloadError",
    "DownloadFile",
    "DownloadJob",
    "DownloadNotFound",
    "DownloadPage",
    "DownloadService",
    "DownloadState",
    "IllegalDownloadState",
    "InvalidDownloadRequest",
    "JobKind",
    "QueueTotals",
    "TransferEngine",
    "discard_partial",
    "partial_bytes",
]
