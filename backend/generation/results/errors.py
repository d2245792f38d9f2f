"""Why a result cannot be kept, found, shown or brought back.

* ResultError
  * ResultNotStored                           the disk refuses what was made
  * ResultNotFound, ResultGone                there is no such result, or its file was taken away
  * NoThumbnail, PictureRefused, PicturesBusy a picture cannot be made of it, or not now
  * FormatNotOffered                          a conversion that does not exist
  * InvalidGalleryQuery                       a filter or page that cannot be meant
  * RemovalNotFound, ResultInTheWay           an undo has nothing to work on, or something stands in its way
"""

from __future__ import annotations

from backend.generation.errors import GenerationError


class ResultError(GenerationError):
    """Something about results."""

    code = "result_error"
    status = 400


class ResultNotStored(ResultError):
    """What was made cannot be written; the job may be run again."""

    code = "result_not_stored"
    status = 507
    default_hint = "Make room on the workspace's disk and check that it is writable, then retry the job."


class ResultNotFound(ResultError):
    """There is no such result, or it is somebody else's."""

    code = "result_not_found"
    status = 404
    default_hint = "List your results with GET /api/gallery."


class ResultGone(ResultError):
    """The result is known, but its file is not where it was put."""

    code = "result_gone"
    status = 410
    default_hint = "Put the file back into the workspace's outputs, or delete the result from the gallery."


class NoThumbnail(ResultError):
    """No picture can be made of this kind of result."""

    code = "no_thumbnail"
    status = 404
    default_hint = "Show a sign for the kind instead; posters of videos need ffmpeg on the machine."


class PictureRefused(ResultError):
    """The picture is damaged, or would unpack to more than is safe; the file itself can be downloaded."""

    code = "picture_refused"
    status = 422
    default_hint = "Download the file as it is: GET /api/gallery/{id}/file."


class PicturesBusy(ResultError):
    """Too many pictures are being made at this moment; details: ``retry_after_s``."""

    code = "pictures_busy"
    status = 503
    default_hint = "Try again in a moment."


class FormatNotOffered(ResultError):
    """This result cannot be converted to that format."""

    code = "format_not_offered"
    status = 422
    default_hint = "Images can be had as jpeg, webp, avif or png; everything else only as it is."


class InvalidGalleryQuery(ResultError):
    """A filter or cursor cannot be meant; details: ``parameter``."""

    code = "invalid_gallery_query"
    status = 422
    default_hint = "Compare the request with /docs; take cursors from `next` of the page before."


class RemovalNotFound(ResultError):
    """Nothing of yours was put into the trash by this removal."""

    code = "removal_not_found"
    status = 404
    default_hint = "List what is in the trash with GET /api/gallery?trashed=true."


class ResultInTheWay(ResultError):
    """Another file stands where a restored one belongs; details: ``blocked``."""

    code = "result_in_the_way"
    status = 409
    default_hint = "Move the files named in details.blocked away, then restore again."
