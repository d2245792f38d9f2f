"""What can go wrong between a host and a file on disk.

* DownloadError                            ``retryable``: the same request may succeed a little later
  * ConnectionFailed, ConnectionLost       nobody answers; the line broke
  * Stalled                                the line stands, nothing comes
  * TlsFailed                              the host cannot prove who it is
  * TooManyRedirects, InsecureRedirect     the way to the file leads nowhere, or out of the safe
  * BadAnswer                              an answer that no part of a file can be taken from
  * NotAModel, TruncatedFile               a file arrived, and it is not one to load
  * SizeMismatch, ChecksumMismatch         the file is not the one that was promised
  * SourceChanged                          the file changes while it is being read
  * NoSpace, FolderNotWritable, WriteFailed        the disk refuses
  * DestinationTaken                       another file has the name
  * EngineStopped                          Hearth is ending
  * DownloadNotFound, IllegalDownloadState         the queue has no such job, or it cannot do that now
  * NotEnoughSpace                         the disk plan has no room for a job
  * InvalidDownloadRequest, FileNameUnknown        what is asked for is incomplete
  * WantedOtherwise                        another job brings another content to the same place
  * AddressNotKept                         an address that could not be stored is needed again
  * QueueNotStored                         the database refuses a change
"""

from __future__ import annotations

from typing import ClassVar

from backend.errors import HearthError


class DownloadError(HearthError):
    """Something about fetching a file."""

    code = "download_error"
    status = 502
    retryable: ClassVar[bool] = False


class ConnectionFailed(DownloadError):
    """No connection to the host came about."""

    code = "connection_failed"
    retryable = True
    default_hint = "Check the network and the address. What has arrived is kept."


class ConnectionLost(DownloadError):
    """The connection broke before the file was complete, again and again."""

    code = "connection_lost"
    retryable = True
    default_hint = "Try again: the download continues where it stopped."


class Stalled(DownloadError):
    """The host keeps the connection open and sends nothing."""

    code = "stalled"
    status = 504
    retryable = True
    default_hint = "Try again: the download continues where it stopped."


class TlsFailed(DownloadError):
    """The host's certificate cannot be trusted, or no encrypted connection came about."""

    code = "tls_failed"
    default_hint = "Check the clock of this machine and, behind a company proxy, its certificate authority."


class TooManyRedirects(DownloadError):
    """The address leads from redirect to redirect and never to a file."""

    code = "too_many_redirects"
    default_hint = "Open the address in a browser and copy the address of the file itself."


class InsecureRedirect(DownloadError):
    """The way leads from https to an address that anybody can change, or to a cloud's metadata; it was not followed."""

    code = "insecure_redirect"
    default_hint = "Use the address of another host."


class BadAnswer(DownloadError):
    """The host's answer holds no part of the file that could be used."""

    code = "bad_answer"
    retryable = True
    default_hint = "Try again later, or use another host."


class NotAModel(DownloadError):
    """What came is a web page, an error message or a pointer; nothing was published."""

    code = "not_a_model"
    default_hint = "Copy the address of the file's download button; some hosts need a token first."


class TruncatedFile(DownloadError):
    """The host's own copy is incomplete; nothing was published."""

    code = "truncated_file"
    default_hint = "Use another host, or wait until the owner has repaired the file."


class SizeMismatch(DownloadError):
    """The host's file does not have the promised size; nothing was published."""

    code = "size_mismatch"
    default_hint = "The file was changed at its host. Update the preset, or check the address."


class ChecksumMismatch(DownloadError):
    """The bytes are not the promised ones, also when fetched anew; nothing was published."""

    code = "checksum_mismatch"
    default_hint = "The file was changed at its host, or something on the way changes it."


class SourceChanged(DownloadError):
    """The file at the host changes faster than it can be read."""

    code = "source_changed"
    retryable = True
    default_hint = "Somebody is uploading it right now: try again later."


class NoSpace(DownloadError):
    """The disk has no room for the file; details: ``need_bytes``, ``free_bytes``, ``reserve_bytes``."""

    code = "no_space"
    status = 507
    default_hint = "Free some space under Storage, then try again: what has arrived is kept."


class FolderNotWritable(DownloadError):
    """The folder of the file cannot be made or written."""

    code = "folder_not_writable"
    status = 403
    default_hint = "Check the owner and the mount options of the folder."


class WriteFailed(DownloadError):
    """The disk reported an error while the file was written."""

    code = "write_failed"
    status = 500
    default_hint = "Check the disk or the network mount, then try again: what has arrived is kept."


class DestinationTaken(DownloadError):
    """Another file has this name, or somebody else is fetching it; it was left as it is."""

    code = "destination_taken"
    status = 409
    default_hint = "Choose another name, or remove the file first."


class EngineStopped(DownloadError):
    """Nothing is fetched, because Hearth is starting or ending."""

    code = "engine_stopped"
    status = 503
    retryable = True
    default_hint = "Try again in a moment. What has arrived is kept."


class DownloadNotFound(DownloadError):
    """The queue and its history have no job with this id."""

    code = "download_not_found"
    status = 404
    default_hint = "List the jobs with GET /api/downloads."


class IllegalDownloadState(DownloadError):
    """The job cannot do that in the state it is in; details: ``state``."""

    code = "illegal_download_state"
    status = 409
    default_hint = "Look at the job's state; it may have changed a moment ago."


class NotEnoughSpace(DownloadError):
    """A job does not fit on its disk; details: ``need_bytes``, ``free_bytes``, ``reserve_bytes``, ``queued_bytes``."""

    code = "not_enough_space"
    status = 507
    default_hint = "Free some space under Storage; the download then continues by itself."


class InvalidDownloadRequest(DownloadError):
    """The request names neither a preset nor an address with a folder, or something in it cannot be meant."""

    code = "invalid_download_request"
    status = 422
    default_hint = "Send a preset_id, or a url with a directory."


class FileNameUnknown(DownloadError):
    """Neither the address nor the host says what the file is called."""

    code = "file_name_unknown"
    status = 422
    default_hint = "Give a name, such as model.safetensors."


class WantedOtherwise(DownloadError):
    """Another unfinished job brings another content to the same place; details: ``job_id``."""

    code = "wanted_otherwise"
    status = 409
    default_hint = "Choose another name, or cancel the other download first."


class AddressNotKept(DownloadError):
    """The address carried a signature, which is not stored, so it is needed again after a restart."""

    code = "address_not_kept"
    status = 409
    default_hint = "Start the download again with a fresh address: it continues where it stopped."


class QueueNotStored(DownloadError):
    """The database refused a change of the queue; nothing was changed."""

    code = "queue_not_stored"
    status = 503
    default_hint = "Check that the workspace is writable and not full, then try again."
