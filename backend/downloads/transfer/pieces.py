"""Who fetches what: the gaps of the file, cut into pieces that last a few seconds each."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from operator import attrgetter

from backend.downloads.transfer.blocks import BLOCK_BYTES
from backend.downloads.transfer.ranges import Range
from backend.kit.clock import monotonic_s

FIRST_PIECE_BYTES = 4 << 20  # the request that asks what the file is brings its beginning along
_SMALLEST_BYTES, _LARGEST_BYTES = 4 << 20, 128 << 20
_PIECE_S = 3.0  # the one idle round trip between two pieces is then about one per cent
_JUDGED_AFTER_S = 1.0
_WORTH_TAKING_OVER_S = 0.6
_WORTH_TAKING_OVER_BYTES = 256 << 10
_SMALLEST_REST_BYTES = 64 << 10  # more than libcurl hands over at once: the old connection is not overtaken meanwhile
UNKNOWN = 1 << 62  # the end of a stream without a length


@dataclass(slots=True, eq=False)
class Piece:
    """The bytes from ``position`` up to ``stop``, fetched by one request.

    The pump's thread moves ``position``; the transfer may move ``stop`` down when another connection takes the rest over.
    A callback that runs at that instant may write a few bytes beyond the new end: they are the same bytes.
    """

    start: int
    stop: int
    position: int = field(init=False)
    asked_stop: int = field(init=False)
    began_at: float = field(default_factory=monotonic_s)

    def __post_init__(self) -> None:
        self.position = self.start
        self.asked_stop = self.stop

    def fit(self, size_bytes: int | None, *, whole: bool) -> None:
        """Let the piece end where the answer ends; *whole*: it brings the file to its end."""
        if size_bytes is None:
            self.stop = UNKNOWN
        else:
            self.stop = size_bytes if whole else min(self.stop, size_bytes)

    @property
    def left(self) -> int:
        """Bytes that are still to come."""
        return max(0, self.stop - self.position)

    def speed_bytes_s(self, now: float, expected: float) -> float:
        """Return its speed so far; a piece that has just begun is expected to be as fast as others."""
        age = now - self.began_at
        own = (self.position - self.start) / max(0.05, age)
        return max(1.0, own, expected if age < _JUDGED_AFTER_S else 0.0)


class Pieces:
    """Hand out pieces until nothing is missing.

    Args:
        size_bytes: Length of the file, None as long as nobody has said.
        gaps: What is missing of a file of that length.
    """

    def __init__(self, size_bytes: int | None, gaps: list[Range]) -> None:
        self.size_bytes = size_bytes
        self.active: list[Piece] = []
        self._todo = gaps if size_bytes is not None else []

    @property
    def done(self) -> bool:
        """Whether nothing is missing and nothing is under way."""
        return self.size_bytes is not None and not self._todo and not self.active

    def take_first(self, *, whole: bool) -> Piece:
        """Return the piece of the first request, which tells the size; *whole*: of everything there is."""
        if self.size_bytes is None:
            start, stop = 0, UNKNOWN if whole else FIRST_PIECE_BYTES
            return self._begin(Piece(start, stop))
        start, stop = self._todo.pop(0)
        if not whole and stop - start > FIRST_PIECE_BYTES:
            self._todo.insert(0, (start + FIRST_PIECE_BYTES, stop))
            stop = start + FIRST_PIECE_BYTES
        return self._begin(Piece(start, stop))

    def learn_size(self, size_bytes: int, piece: Piece, *, whole: bool) -> None:
        """Take in how long the file is; what the first piece does not bring is handed out from now on.

        Args:
            whole: *piece* brings the file to its end, whatever was asked for.
        """
        if whole:
            self._todo = []
        elif self.size_bytes is None and piece.stop < size_bytes:
            self._todo = [(piece.stop, size_bytes)]
        self.size_bytes = size_bytes

    def take(self, *, speed_bytes_s: float, connections: int) -> Piece | None:
        """Return the next piece, None when nothing is left that would be worth another connection.

        Args:
            speed_bytes_s: Of the whole file now; 0 when unknown.
            connections: How many shall work at once.
        """
        if not self._todo:
            return self._take_over(speed_bytes_s)
        start, stop = self._todo[0]
        left = sum(end - begin for begin, end in self._todo)
        each = speed_bytes_s / max(1, len(self.active))
        length = int(each * _PIECE_S) or 4 * _SMALLEST_BYTES
        length = max(_SMALLEST_BYTES, min(_LARGEST_BYTES, length, left // (2 * max(1, connections))))
        cut = (start + length) // BLOCK_BYTES * BLOCK_BYTES
        if start + length >= stop or cut >= stop:
            self._todo.pop(0)
            return self._begin(Piece(start, stop))
        self._todo[0] = (cut, stop)
        return self._begin(Piece(start, cut))

    def take_gap(self) -> Piece | None:
        """Return the first gap as a whole, for a single stream."""
        return self._begin(Piece(*self._todo.pop(0))) if self._todo else None

    def keep(self, connections: int) -> None:
        """Let only *connections* pieces run on, those nearest to the beginning; the others end within a block."""
        for piece in sorted(self.active, key=attrgetter("position"))[connections:]:
            stop = -(-(piece.position + _SMALLEST_REST_BYTES) // BLOCK_BYTES) * BLOCK_BYTES
            if stop < piece.stop:
                insort(self._todo, (stop, piece.stop))
                piece.stop = stop

    def end(self, piece: Piece) -> None:
        """Take back a piece whose request has ended; what is missing of it is handed out again."""
        self.active.remove(piece)
        if self.size_bytes is not None and piece.position < piece.stop:
            insort(self._todo, (piece.position, piece.stop))

    def _begin(self, piece: Piece) -> Piece:
        self.active.append(piece)
        return piece

    def _take_over(self, speed_bytes_s: float) -> Piece | None:
        """Take so much of what the slowest piece still has to bring that both will end at the same time."""
        now, expected = monotonic_s(), speed_bytes_s / max(1, len(self.active))
        left = {piece: piece.left / piece.speed_bytes_s(now, expected) for piece in self.active}
        slowest = max(left, key=left.__getitem__, default=None)
        if slowest is None or slowest.left < _WORTH_TAKING_OVER_BYTES or left[slowest] < _WORTH_TAKING_OVER_S:
            return None
        its_speed = slowest.left / left[slowest]
        ours = max(its_speed, expected)
        kept = max(_SMALLEST_REST_BYTES, int(slowest.left * its_speed / (its_speed + ours)))
        middle = slowest.position + kept
        piece = Piece(middle, slowest.stop)
        slowest.stop = middle
        return self._begin(piece)
