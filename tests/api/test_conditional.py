"""What the client says about its cache and its encodings is read as RFC 9110 says."""

from __future__ import annotations

import pytest

from backend.api.conditional import accepts_gzip, names_tag


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("gzip", True),
        ("GZIP, deflate, br", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("xgzip", False),
    ],
)
def test_gzip_is_sent_to_those_who_take_it(header: str, expected: bool):
    """A weight of zero refuses, a star stands for what is not named (12.5.3)."""
    assert accepts_gzip(header) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [('W/"a"', True), ('"a"', True), ('"b", W/"a"', True), ("*", True), ('"b"', False), ("a", False), ("", False)],
)
def test_tags_are_compared_weakly(header: str, expected: bool):
    """Weak and strong writing of one tag name the same answer (13.1.2)."""
    assert names_tag(header, 'W/"a"') is expected
