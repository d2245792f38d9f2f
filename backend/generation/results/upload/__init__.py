"""Copy results and their sidecars into a bucket, in the background, until they are there."""

from backend.generation.results.upload.uploader import Remote, Uploader, UploadPace, UploadReport

__all__ = ["Remote", "UploadPace", "UploadReport", "Uploader"]
