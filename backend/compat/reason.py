"""The reason phrase of an HTTP answer: the only words of an error that some programs show to their users.

ASGI knows no reason phrase, so the sentence travels in the scope's state, and :class:`SpeakingProtocol`, which
``hearth serve`` uses, writes it into the status line. Behind any other server the usual phrase stands there.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

from backend.kit.redact import redact

_KEY = "reason_phrase"
_MAX_LENGTH = 200
# RFC 9112, section 4: visible characters, spaces and tabs; beyond ASCII many clients read Latin-1 or fail.
_NOT_ALLOWED = re.compile(r"[^\x20-\x7e]+")
_TYPOGRAPHY = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "…": "...", "–": "-", "—": "-", "×": "x"})


def give_reason(scope: MutableMapping[str, Any], sentence: str) -> None:
    """Let the answer to this request carry *sentence*; secrets and what cannot stand in a header are taken out."""
    words = _NOT_ALLOWED.sub(" ", redact(sentence).translate(_TYPOGRAPHY)).strip()
    scope.setdefault("state", {})[_KEY] = words[:_MAX_LENGTH]


def reason_of(scope: MutableMapping[str, Any]) -> bytes:
    """Return what the answer shall carry; empty when nothing was said."""
    return str(scope.get("state", {}).get(_KEY, "")).encode("ascii")
