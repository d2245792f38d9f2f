"""What can go wrong with pages, beside what the features raise."""

from __future__ import annotations

from backend.errors import HearthError


class WebError(HearthError):
    """Something about pages and forms."""

    code = "page_error"
    status = 400


class FrontEndMissing(WebError):
    """The style sheet, scripts and icons have not been built."""

    code = "front_end_missing"
    status = 503
    default_hint = "Run 'make setup', or set ENABLE_DASHBOARD=false to serve the API alone."


class UnknownComponent(WebError):
    """No component of this name is served on its own."""

    code = "unknown_component"
    status = 404
    default_hint = "Components that can be asked for are listed in backend/web/components.py."


class InvalidForm(WebError):
    """A field of a form cannot be used; nothing was changed."""

    code = "invalid_form"
    status = 422
    default_hint = "Correct the field and send the form again."


class FileTooLarge(WebError):
    """A file that was sent with a form is too large; nothing was kept."""

    code = "file_too_large"
    status = 413
    default_hint = "Make it smaller, or put it into ComfyUI's input folder."
