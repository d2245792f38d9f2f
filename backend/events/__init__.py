"""What happens, told at once to whoever listens: frozen events and a bounded hub that carries them."""

from backend.events.hub import Hub, Subscription
from backend.events.types import TOPICS, Event, Numbered, documented

__all__ = ["TOPICS", "Event", "Hub", "Numbered", "Subscription", "documented"]
