"""Structured logs on standard error: one event per line, for people or as JSON, never with a secret in it.

Lines of other libraries (uvicorn, alembic) pass through the same processors, so redaction has no back door.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, cast

from backend.kit.imports import absent
from backend.kit.redact import MASK, redact

with absent(
    "rich", "greenlet"
):  # to paint tracebacks, which stay plain here, and for a kind of thread that is not used
    import structlog

_MANY_LINES = ("exception", "stack")
_SECRET_NAME = re.compile(r"(?i)password|secret|authorization|cookie|(^|_)token$|api_?key")
_CONTROL_CHARACTERS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}

_QUIET = {
    "uvicorn.access": logging.CRITICAL,
    "alembic": logging.WARNING,
    "httpx2": logging.WARNING,
    "httpcore2": logging.WARNING,
}


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of module *name*; use it as ``log.info("download_started", job=…)``."""
    return structlog.stdlib.get_logger(name)


def configure_logs(level: str, output_format: str) -> None:
    """Send every log line of this process through redaction to standard error.

    Args:
        level: debug, info, warning or error.
        output_format: ``console`` or ``json``.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    machine = output_format == "json"
    renderer = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if machine
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _redact_values,
            renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in (
        "uvicorn",
        "uvicorn.error",
        "uvicorn.access",
    ):  # `uvicorn backend.main:app` has set them up its own way
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
        logging.getLogger(name).setLevel(logging.NOTSET)
    for name, quiet_level in _QUIET.items():
        logging.getLogger(name).setLevel(quiet_level)


def _redact_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.pop("color_message", None)  # uvicorn's, the event once more with paint
    for name, value in event.items():
        event[name] = redact(value) if name in _MANY_LINES and isinstance(value, str) else _clean(name, value)
    return event


def _clean(name: str, value: Any) -> Any:
    """Return *value* as it may be written: without secrets, and in one line, so that no text can pose as an entry."""
    if isinstance(value, (int, float, type(None))):
        return value
    if _SECRET_NAME.search(name):
        return MASK
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), part) for key, part in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_clean("", part) for part in cast("Sequence[Any]", value)]
    text = redact(str(value))
    return text if text.isprintable() else text.translate(_CONTROL_CHARACTERS)
