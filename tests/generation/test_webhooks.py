"""Messages to webhooks: signed, delivered until they are taken, over restarts."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest

from backend.generation import InvalidGeneration
from backend.generation.store import Webhook, load_webhooks
from backend.generation.webhooks import check_webhook, signed_headers
from tests.generation import graphs
from tests.generation.rig import Rig, Sent
from tests.secret_watch import secret

pytestmark = pytest.mark.anyio

URL = "https://example.org/hook"


def verify(sent: Sent, key: bytes) -> dict[str, object]:
    """Check a message as the standard's own libraries do, and return its body."""
    signed = f"{sent.headers['webhook-id']}.{sent.headers['webhook-timestamp']}.".encode() + sent.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert f"v1,{expected}" in sent.headers["webhook-signature"].split(" ")
    return json.loads(sent.body)


async def signing(rig: Rig, key: str) -> None:
    rig.webhook_secret = key
    await rig.restart()
    await rig.up()


async def delivered(rig: Rig, count: int) -> None:
    async with asyncio.timeout(15):
        while len(rig.sent) < count:
            await asyncio.sleep(0.01)


async def settled(rig: Rig) -> None:
    """Wait until nothing is left to deliver."""
    async with asyncio.timeout(15):
        while not rig.sent or await rig.database.read(load_webhooks):
            await asyncio.sleep(0.01)


async def test_the_end_of_a_job_is_told_and_signed(rig: Rig) -> None:
    """Completed, failed and cancelled alike; the signature can be verified by the standard."""
    key = secret("webhook secret")
    await signing(rig, key)
    good = await rig.submit(graphs.quick(), webhook_url=URL)
    bad = await rig.submit(graphs.fail("ValueError"), webhook_url=URL)
    await rig.ended([good, bad])
    await delivered(rig, 2)
    bodies = {body["type"]: body for body in (verify(sent, key.encode()) for sent in rig.sent)}

    assert set(bodies) == {"generation.completed", "generation.failed"}
    data = bodies["generation.completed"]["data"]
    assert isinstance(data, dict)
    assert (data["id"], len(data["results"])) == (good.id, 1)
    assert all(sent.url == URL for sent in rig.sent)


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of the specification's reference libraries."""
    hook = Webhook("msg_p5jXN8AQM9LWM0D4loKWxJek", "job", URL, '{"test": 2432232314}')
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = signed_headers(hook, key, datetime.fromtimestamp(1614265330, UTC))

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_message_that_is_not_taken_is_sent_again(rig: Rig) -> None:
    """Under the same id, also after a restart; one that is taken is not."""
    rig.post_status = lambda _sent: 500
    await signing(rig, secret("webhook secret"))
    job = await rig.submit(graphs.quick(), webhook_url=URL)
    await rig.until(job.id)
    await delivered(rig, 1)
    rig.post_status = lambda _sent: 204
    await rig.restart()
    await delivered(rig, 2)
    await settled(rig)
    await rig.restart()
    await rig.up()

    assert len({sent.headers["webhook-id"] for sent in rig.sent}) == 1
    assert len(rig.sent) == 2


async def test_an_address_that_is_gone_is_not_asked_again(rig: Rig) -> None:
    """It answers 410."""
    rig.post_status = lambda _sent: 410
    await signing(rig, secret("webhook secret"))
    job = await rig.submit(graphs.quick(), webhook_url=URL)
    await rig.until(job.id)
    await settled(rig)
    await rig.restart()
    await rig.up()

    assert len(rig.sent) == 1


@pytest.mark.parametrize(
    "url", ["", "ftp://example.org", "https://", "https://user:word@example.org/", "https://example.org/?token=abc"]
)
def test_addresses_that_cannot_be_told_are_refused(url: str) -> None:
    """What is no web address, and what carries a secret, which is not stored."""
    with pytest.raises(InvalidGeneration):
        check_webhook(url, has_secret=True)
    check_webhook("https://example.org/hook?job=1", has_secret=True)
