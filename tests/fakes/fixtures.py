"""Fixtures of the fakes; ``tests/conftest.py`` takes all of them in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.authority import TestAuthority
from tests.fakes.civitai import Civitai
from tests.fakes.github import GitHub
from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import ModelHost
from tests.fakes.s3 import BucketHost

__all__ = ["bucket_host", "cafile", "civitai", "github", "hugging_face", "model_host", "tls_model_host"]


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
def bucket_host() -> Iterator[BucketHost]:
    """A host with one bucket."""
    with BucketHost() as host:
        yield host


@pytest.fixture
def cafile() -> str:
    """The path of the authority's certificate, for clients of any TLS host of the tests."""
    return str(TestAuthority.shared().path)


@pytest.fixture
def hugging_face() -> Iterator[HuggingFaceHub]:
    """A hub and its delivery network."""
    with HuggingFaceHub() as hub:
        yield hub


@pytest.fixture
def civitai() -> Iterator[Civitai]:
    """A Civitai and its delivery network."""
    with Civitai() as site:
        yield site


@pytest.fixture
def github() -> Iterator[GitHub]:
    """A GitHub and its object store."""
    with GitHub() as site:
        yield site
