"""One file from a host to its place on disk: in pieces, resumed, verified, published whole or not at all."""

from backend.downloads.transfer.engine import TransferEngine
from backend.downloads.transfer.leftovers import Leftover, leftover_of, leftovers_below
from backend.downloads.transfer.state import discard_partial, partial_bytes
from backend.downloads.transfer.terms import Fetched, Meter, Phase, Wanted

__all__ = [
    "Fetched",
    "Leftover",
    "Meter",
    "Phase",
    "TransferEngine",
    "Wanted",
    "discard_partial",
    "leftover_of",
    "leftovers_below",
    "partial_bytes",
]
