"""Fixtures of the fakes; ``tests/conftest.py`` takes all of them in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.authority import TestAuthority
from tests.fakes.model_host import ModelHost

__all__ = ["model_host", "test_ca", "tls_model_host"]


@pytest.fixture
def model_host() -> Iterator[ModelHost]:
    """A model host that speaks http."""
    with ModelHost() as host:
        yield host


@pytest.fixture
def tls_model_host() -> Iterator[ModelHost]:
    """A model host that speaks https; ``tls_model_host.cafile`` is the authority to trust."""
    with ModelHost(tls=True) as host:
        yield host


@pytest.fixture
def test_ca() -> str:
    """The path of the authority's certificate, for clients of any TLS host of the tests."""
    return str(TestAuthority.shared().path)
