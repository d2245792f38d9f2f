"""Messages to clients' addresses, kept until they are delivered or given up."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select

from backend.generation.store.tables import webhooks


@dataclass(frozen=True, slots=True)
class Webhook:
    """A message to a client's address; ``due_at`` is None once it is delivered or given up."""

    id: str
    job_id: str
    url: str
    body: str
    attempts: int = 0
    due_at: str | None = None
    reason: str | None = None


def add_webhook(connection: Connection, hook: Webhook) -> None:
    """Keep a message that must be delivered."""
    connection.execute(webhooks.insert().values(asdict(hook)))


def save_webhook(connection: Connection, hook: Webhook) -> None:
    """Keep how far the delivery has come."""
    values = {"attempts": hook.attempts, "due_at": hook.due_at, "reason": hook.reason}
    connection.execute(webhooks.update().where(webhooks.c.id == hook.id).values(values))


def load_webhooks(connection: Connection) -> list[Webhook]:
    """Return the messages that are not delivered yet, the next one first."""
    query = select(webhooks).where(webhooks.c.due_at.is_not(None)).order_by(webhooks.c.due_at)
    return [
        Webhook(row.id, row.job_id, row.url, row.body, row.attempts, row.due_at, row.reason)
        for row in connection.execute(query)
    ]
