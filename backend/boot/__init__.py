"""The life of a container around its services: what PID 1 does first, and what s6 runs before, beside and after each service.

Standard library alone, as :mod:`backend.volume`: the system's Python runs it without site packages.
"""
