"""The tables of generation, and the few statements on them."""

from backend.generation.store.events import StoredEvent, add_event, load_events
from backend.generation.store.history import hide, is_hidden
from backend.generation.store.jobs import (
    add_job,
    find_by_key,
    graphs_since,
    load_job,
    load_unfinished,
    named,
    page,
    save_job,
)
from backend.generation.store.tables import Connection, StoreFailed, Write, reason
from backend.generation.store.timings import load_timings, save_timings
from backend.generation.store.webhooks import Webhook, add_webhook, load_webhooks, save_webhook

__all__ = [
    "Connection",
    "StoreFailed",
    "StoredEvent",
    "Webhook",
    "Write",
    "add_event",
    "add_job",
    "add_webhook",
    "find_by_key",
    "graphs_since",
    "hide",
    "is_hidden",
    "load_events",
    "load_job",
    "load_timings",
    "load_unfinished",
    "load_webhooks",
    "named",
    "page",
    "reason",
    "save_job",
    "save_timings",
    "save_webhook",
]
