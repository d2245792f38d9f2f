"""The download queue: jobs that survive everything, their order, the disk plan, and the transfers under them."""

from backend.downloads.job import DownloadState
from backend.downloads.service import DownloadPage, DownloadService, QueueTotals
from backend.downloads.transfer import TransferEngine, discard_partial, partial_bytes
from backend.downloads.view import DownloadFile, DownloadJob

__all__ = [
    "DownloadFile",
    "DownloadJob",
    "DownloadPage",
    "DownloadService",
    "DownloadState",
    "QueueTotals",
    "TransferEngine",
    "discard_partial",
    "partial_bytes",
]
