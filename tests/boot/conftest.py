"""Fixtures that the tests of the volume have too."""

from tests.volume.conftest import open_folder  # noqa: F401 -- a fixture
