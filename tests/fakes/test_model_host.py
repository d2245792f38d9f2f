"""The laws of the model host itself: other tests believe what it claims to do."""

from __future__ import annotations

import gzip
import socket
import threading
import time

import httpx2
import pytest

from tests.fakes.model_host import (
    ChangingEtag,
    Chunked,
    Content,
    Delay,
    FlippedByte,
    Gzipped,
    Hangup,
    HtmlPage,
    MaxConnections,
    ModelHost,
    NeedsToken,
    NoValidator,
    RangeIgnored,
    RangeRefused,
    Replaced,
    Reset,
    ShortBody,
    Slow,
    Stall,
    WeakEtag,
    WrongOffset,
    too_many,
    unavailable,
)

FILE = Content.random(3_000_000, seed=7)


def get(url: str, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.get(url, headers={"Accept-Encoding": "identity", **named}, trust_env=False, timeout=10)


def test_a_sound_file_answers_ranges_and_conditions(model_host: ModelHost) -> None:
    """206 with its place, 200 when If-Range no longer holds, 416 beyond the end, HEAD without a body."""
    url = model_host.put("/a.bin", FILE)
    part = get(url, Range="bytes=1048570-1048579", If_Range=FILE.etag or "")
    changed = get(url, Range="bytes=0-9", If_Range='"older"')
    tail = get(url, Range="bytes=-5")
    beyond = get(url, Range="bytes=3000000-")
    head = httpx2.head(url, trust_env=False)

    assert (part.status_code, part.content) == (206, FILE.read(1_048_570, 1_048_580))
    assert part.headers["content-range"] == "bytes 1048570-1048579/3000000"
    assert (changed.status_code, changed.content == FILE.read()) == (200, True)
    assert (tail.status_code, tail.content) == (206, FILE.read(2_999_995))
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */3000000")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "3000000", b"")
    assert get(model_host.url("/none")).status_code == 404


def test_requests_of_one_client_share_a_connection_and_are_recorded(tls_model_host: ModelHost) -> None:
    """Keep-alive works over TLS, and each request tells what was asked and sent."""
    url = tls_model_host.put("/a.bin", FILE)
    import ssl

    context = ssl.create_default_context(cafile=tls_model_host.cafile)
    with httpx2.Client(verify=context, trust_env=False) as client:
        client.get(url, headers={"Range": "bytes=0-99"})
        client.get(f"{url}?a=1")
    tls_model_host.wait_for(lambda seen: len(seen) == 2 and seen[1].closed_at)

    first, second = tls_model_host.requests
    assert (first.range, first.bytes_sent, first.status, first.cut) == ((0, 99), 100, 206, False)
    assert (second.path, second.route, second.query) == ("/a.bin?a=1", "/a.bin", {"a": "1"})
    assert first.connection == second.connection


@pytest.mark.parametrize("fault", [ShortBody(after=1_500_000), Reset(after=1_500_000)])
def test_a_cut_body_ends_early_and_only_as_often_as_asked(model_host: ModelHost, fault: ShortBody | Reset) -> None:
    """The whole length is promised, less comes; with ``times=1`` the next request is sound."""
    fault.times = 1
    url = model_host.put("/a.bin", FILE, fault)
    with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
        get(url)
    model_host.wait_for(lambda seen: seen[0].closed_at)

    assert model_host.requests[0].bytes_sent == 1_500_000
    assert model_host.requests[0].cut
    assert get(url).content == FILE.read()


def test_a_stall_keeps_the_socket_open_until_the_client_leaves(model_host: ModelHost) -> None:
    """The host notices within moments that the client has gone."""
    url = model_host.put("/a.bin", FILE, Stall(after=1000))
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.get(url, trust_env=False, timeout=0.2)
    left_at = time.monotonic()
    model_host.wait_for(lambda seen: seen[0].closed_at)

    assert model_host.requests[0].bytes_sent == 1000
    assert (model_host.requests[0].closed_at or 0) - left_at < 1


def test_a_slow_body_keeps_its_rate(model_host: ModelHost) -> None:
    """A tenth of a second's worth takes about a tenth of a second."""
    url = model_host.put("/a.bin", FILE, Slow(rate_bytes_s=15_000_000), Delay(0.05))
    started = time.monotonic()
    content = get(url).content

    assert content == FILE.read()
    assert time.monotonic() - started >= 0.2


def test_refusals_come_in_their_turn(model_host: ModelHost) -> None:
    """First a 429 with Retry-After, then a 503, then silence, then the file."""
    url = model_host.put("/a.bin", FILE, too_many(retry_after=3), unavailable(first=2), Hangup(first=3, times=1))
    busy, failed = get(url), get(url)
    with pytest.raises(httpx2.RemoteProtocolError):
        get(url)

    assert (busy.status_code, busy.headers["retry-after"], failed.status_code) == (429, "3", 503)
    assert get(url).status_code == 200


def test_more_connections_than_allowed_are_refused(model_host: ModelHost) -> None:
    """One answer is being sent, the second one is refused."""
    url = model_host.put("/a.bin", FILE, Slow(rate_bytes_s=100_000), MaxConnections(1))
    with httpx2.stream("GET", url, trust_env=False) as first:
        assert (first.status_code, get(url).status_code) == (200, 429)


def test_content_can_change_between_requests(model_host: ModelHost) -> None:
    """If-Range is honoured with the whole new file, or ignored with a part of it under its new ETag."""
    grown = FILE.grown(10)
    honest = model_host.put("/honest", FILE, Replaced(grown, first=2))
    careless = model_host.put("/careless", FILE, Replaced(grown, if_range_honoured=False, first=2))
    for url, status, length in ((honest, 200, grown.size), (careless, 206, 10)):
        etag = get(url).headers["etag"]
        answer = get(url, Range="bytes=0-9", If_Range=etag)
        assert (answer.status_code, len(answer.content), answer.headers["etag"]) == (status, length, grown.etag)


def test_validators_can_be_worthless(model_host: ModelHost) -> None:
    """None, a weak one, or another one each time."""
    bare = get(model_host.put("/bare", FILE, NoValidator()))
    weak = get(model_host.put("/weak", FILE, WeakEtag()))
    nodes = model_host.put("/nodes", FILE, ChangingEtag())

    assert not {"etag", "last-modified"} & set(bare.headers)
    assert weak.headers["etag"] == 'W/"weak"'
    assert get(nodes).headers["etag"] != get(nodes).headers["etag"]


def test_ranges_can_be_answered_wrongly(model_host: ModelHost) -> None:
    """Ignored, ignored and cut, at another place, or refused."""
    ignored = get(model_host.put("/ignored", FILE, RangeIgnored()), Range="bytes=5-9")
    cut = model_host.put("/cut", FILE, RangeIgnored(), ShortBody(after=10))
    shifted = get(model_host.put("/shifted", FILE, WrongOffset(100)), Range="bytes=5-9")
    refused = model_host.put("/refused", FILE, RangeRefused(first=2))

    assert (ignored.status_code, len(ignored.content)) == (200, FILE.size)
    with pytest.raises(httpx2.RemoteProtocolError):
        get(cut, Range="bytes=5-9")
    assert shifted.headers["content-range"] == "bytes 105-109/3000000"
    assert shifted.content == FILE.read(105, 110)
    assert [get(refused, Range="bytes=0-9").status_code for _ in range(2)] == [206, 416]


def test_bodies_can_come_in_another_form(model_host: ModelHost) -> None:
    """Chunked without a length, gzipped unasked, one byte wrong, or a page for people."""
    chunked = get(model_host.put("/chunked", FILE, Chunked()))
    flipped = get(model_host.put("/flipped", FILE, FlippedByte(at=2_000_000))).content
    page = get(model_host.put("/page", FILE, HtmlPage(first=2)))
    url = model_host.put("/zipped", FILE, Gzipped())
    with httpx2.stream("GET", url, trust_env=False, headers={"Accept-Encoding": "identity"}) as zipped:
        raw = b"".join(zipped.iter_raw())

    assert "content-length" not in chunked.headers
    assert chunked.content == FILE.read()
    assert (zipped.headers["content-encoding"], gzip.decompress(raw) == FILE.read()) == ("gzip", True)
    assert [at for at in range(1_999_990, 2_000_010) if flipped[at] != FILE.read(at, at + 1)[0]] == [2_000_000]
    assert page.status_code == 200
    assert get(model_host.url("/page")).headers["content-type"].startswith("text/html")


def test_a_token_opens_a_guarded_path(model_host: ModelHost) -> None:
    """401 for strangers, 403 for the unaccepted, the file for the right one."""
    url = model_host.put("/a.bin", FILE, NeedsToken("right", unaccepted=("early",)))
    answers = [get(url), get(url, Authorization="Bearer early"), get(url, Authorization="Bearer right")]

    assert [answer.status_code for answer in answers] == [401, 403, 200]


def test_the_host_lets_go_of_every_connection(model_host: ModelHost) -> None:
    """Dropping connections breaks an answer; the host goes on."""
    url = model_host.put("/a.bin", FILE, Slow(rate_bytes_s=10_000, times=1))
    with httpx2.stream("GET", url, trust_env=False) as answer:
        model_host.drop_connections()
        with pytest.raises(httpx2.HTTPError):
            answer.read()

    assert get(url).status_code == 200


def test_a_closed_host_leaves_no_thread_and_no_port() -> None:
    """After close nobody listens, and its threads end."""
    host = ModelHost()
    with socket.create_connection(("127.0.0.1", host.port)):
        host.close()
    deadline = time.monotonic() + 5
    while any(thread.name.startswith(f"model-host-{host.port}") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", host.port))


def test_content_is_a_rule_not_a_buffer() -> None:
    """Any part equals that part of the whole, blocks differ, and the header of a safetensors file fits its size."""
    whole = FILE.read()
    safetensors = Content.safetensors(5000)

    assert whole[1_000_000:2_500_000] == FILE.read(1_000_000, 2_500_000)
    assert whole[:1000] != FILE.read(1 << 20, (1 << 20) + 1000)
    assert FILE.sha256 == Content.of(whole).sha256
    assert safetensors.read(8, 128).strip().startswith(b'{"weight"')
    assert b"4872" in safetensors.read(8, 128)
