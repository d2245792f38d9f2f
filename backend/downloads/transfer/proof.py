"""Make sure, where nothing else proves it, that the bytes on the disk are still those of the host's file.

A host that sends neither a strong validator nor a checksum may have replaced the file since. Its first and its last
mebibyte as far as they are on the disk are fetched again and compared: another version of a model differs in its header,
in its first tensors, or in the ones before the cut. That two versions agree in all of these and in their length, and differ
elsewhere, is not excluded; beginning anew each time is the only other way, and a large file would never arrive on a weak
line. The comparison precedes each request of the stream, so a replacement is missed only between two requests.
"""

from __future__ import annotations

import os

from backend.downloads.errors import BadAnswer, SourceChanged
from backend.downloads.transfer.facts import SourceFacts
from backend.downloads.transfer.part import Part
from backend.downloads.transfer.request import Answer, Request
from backend.downloads.transfer.retry import Setback, StartOver
from backend.downloads.transfer.route import Route
from backend.downloads.transfer.shared import Shared
from backend.downloads.transfer.verdict import refusal, transport_failure

_SAMPLE_BYTES = 1 << 20


async def prove(shared: Shared, route: Route, facts: SourceFacts, part: Part, stop: int) -> None:
    """Compare the file at the host with the *stop* bytes that are in the part.

    Raises:
        StartOver: They differ, or the host has no ranges.
        Setback, HearthError: The host does not answer as it should.
    """
    await shared.in_thread(part.drain)
    head = min(_SAMPLE_BYTES, stop)
    samples = [(0, head)] if stop <= _SAMPLE_BYTES else [(0, head), (stop - _SAMPLE_BYTES, stop)]
    for begin, end in samples:
        theirs = await _sample(shared, route, facts, begin, end)
        ours = await shared.in_thread(os.pread, part.handle, end - begin, begin)
        if theirs != ours:
            raise StartOver(SourceChanged("The file was replaced at its host since it was begun."))


async def _sample(shared: Shared, route: Route, facts: SourceFacts, begin: int, end: int) -> bytes:
    def make(url: str, secrets: list[str]) -> Request:
        return Request(url, secrets, cafile=shared.cafile, byte_range=(begin, end), body_limit=end - begin)

    answer = await route.ask(make)
    if answer.status == 200:
        raise StartOver(BadAnswer("The host sends the whole file where a part was asked for."), plain=True)
    if answer.status == 206:
        facts.take(answer.status, answer.headers, begin)
    if answer.code or answer.status == 0:
        raise transport_failure(answer)
    if answer.status != 206:
        raise _refused(shared, route, facts, answer)
    route.arrived(answer.url)
    return answer.body


def _refused(shared: Shared, route: Route, facts: SourceFacts, answer: Answer) -> Exception:
    error = refusal(answer, shared.explain, far=route.is_far(answer.url), size_bytes=facts.size_bytes)
    if isinstance(error, Setback) and error.relink:
        route.forget(answer.url)
    return error
