"""Ask the gallery: filters, and the cursor that leads from one page to the next."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from backend.generation.results.errors import InvalidGalleryQuery
from backend.generation.results.item import Item, Kind, stamp

DEFAULT_LIMIT = 60
MAX_LIMIT = 500
_MAX_SEARCH_LENGTH = 200
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class GalleryQuery:
    """A question to the gallery; a filter that is left out lets everything pass.

    Args:
        words: Lower case; all of them must stand in the prompt, title or text.
        since: First moment, as :func:`stamp` writes it; ``until`` is the first moment that is too late.
    """

    kinds: tuple[Kind, ...] = ()
    workflow: str | None = None
    model: str | None = None
    job: str | None = None
    since: str | None = None
    until: str | None = None
    favourite: bool | None = None
    min_rating: int = 0
    words: tuple[str, ...] = ()
    trashed: bool = False


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last item of the page before; what comes after it is older."""

    created_at: str
    job_id: str
    place: int

    @classmethod
    def behind(cls, item: Item) -> Cursor:
        """Return the cursor that continues after *item*."""
        return cls(item.created_at, item.job_id, item.place)

    def encode(self) -> str:
        """Write it as text for an address."""
        plain = f"{self.created_at}|{self.place}|{self.job_id}"
        return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Read what :meth:`encode` wrote.

        Raises:
            InvalidGalleryQuery: Nobody got this from a page.
        """
        try:
            plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
            created_at, place, job_id = plain.split("|", 2)
            datetime.fromisoformat(created_at)
            number = int(place)
        except (ValueError, binascii.Error):
            raise _refuse("cursor", "The cursor does not come from a page of the gallery.") from None
        if not 0 <= number < 2**31:
            raise _refuse("cursor", "The cursor does not come from a page of the gallery.")
        return cls(created_at, job_id, number)


def words_of(text: str) -> tuple[str, ...]:
    """Split a search into the words that must all be found.

    Raises:
        InvalidGalleryQuery: It is too long.
    """
    if len(text) > _MAX_SEARCH_LENGTH:
        raise _refuse("q", f"The search is longer than {_MAX_SEARCH_LENGTH} characters.")
    return tuple(dict.fromkeys(text.casefold().split()))


def moment(parameter: str, text: str | None, *, end_of_day: bool = False) -> str | None:
    """Read a day (``2026-11-24``, in UTC) or a time (ISO 8601; without a zone, UTC).

    Args:
        end_of_day: A day means the end of it, so that a range of days includes its last.
    Raises:
        InvalidGalleryQuery: It is neither.
    """
    if not text:
        return None
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=1 if end_of_day else 0)
            return stamp(datetime.combine(day, time.min, UTC))
        # A plus in an address that was not encoded arrives as a space.
        parsed = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return stamp(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise _refuse(parameter, f"{text[:80]!r} is neither a day such as 2026-11-24 nor a time.") from None


def kinds_of(text: str | None) -> tuple[Kind, ...]:
    """Read kinds that are separated by commas.

    Raises:
        InvalidGalleryQuery: One of them does not exist.
    """
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    try:
        return tuple(Kind(name) for name in dict.fromkeys(names))
    except ValueError:
        known = ", ".join(Kind)
        raise _refuse("kind", f"{(text or '')[:80]!r} names a kind that does not exist; there are {known}.") from None


def _refuse(parameter: str, message: str) -> InvalidGalleryQuery:
    return InvalidGalleryQuery(message, details={"parameter": parameter})
