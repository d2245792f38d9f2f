"""Ready answers are kept as long as they are true, and never cost more than their share of memory."""

from __future__ import annotations

import gzip
import json

from hypothesis import given
from hypothesis import strategies as st

from backend.presets.installation import Status
from backend.presets.pages import Encoded, PageCache, encode
from backend.presets.view import FileStatusView


def answer(size_bytes: int) -> Encoded:
    return Encoded(b"x" * size_bytes, None, 'W/"x"')


def test_an_answer_has_one_tag_for_both_forms():
    """Packed or not, the content is the same, and equal content has an equal tag over restarts."""
    made = encode({"items": ["text"] * 1000})
    assert made.gzipped is not None
    assert gzip.decompress(made.gzipped) == made.body
    assert encode({"items": ["text"] * 1000}) == made
    assert encode({"items": ["text"] * 999}).etag != made.etag
    assert made.etag.startswith('W/"')


def test_a_small_answer_is_not_packed():
    """Below a packet's size packing only costs time."""
    assert encode({"a": 1}).gzipped is None


def test_values_of_the_domain_become_json():
    """Dataclasses and states need no translation."""
    made = encode(FileStatusView("vae", "ä.bin", Status.DAMAGED, 3, None))
    assert json.loads(made.body) == {
        "directory": "vae", "name": "ä.bin", "status": "damaged", "bytes_present": 3, "problem": None,
    }  # fmt: skip


def test_a_new_snapshot_forgets_the_old_answers():
    """An answer counts for its own snapshot only; a late one of an older snapshot is not taken."""
    cache = PageCache()
    cache.put(1, "q", answer(10))
    assert cache.get(1, "q") == answer(10)
    assert cache.get(2, "q") is None
    cache.put(2, "other", answer(10))
    assert cache.get(1, "q") is None
    cache.put(1, "q", answer(10))
    assert cache.get(1, "q") is None
    assert cache.get(2, "other") is not None


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=40))
def test_memory_is_bounded_and_the_least_used_leaves(puts: list[tuple[int, int]]):
    """Whatever is asked, the kept answers stay below the limit, and the newest that fits is kept."""
    cache = PageCache(100)
    for question, size in puts:
        cache.put(1, question, answer(size))
        kept = [cache.get(1, each) for each in range(10)]
        assert sum(each.size_bytes for each in kept if each) <= 100
        assert cache.get(1, question) == answer(size)


def test_an_answer_larger_than_everything_is_not_kept():
    """It is sent all the same."""
    cache = PageCache(100)
    cache.put(1, "big", answer(101))
    assert cache.get(1, "big") is None
