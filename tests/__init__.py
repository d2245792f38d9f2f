"""Hearth's tests: they mirror ``backend/``, with real small servers in ``fakes/`` and browsers in ``e2e/``."""
