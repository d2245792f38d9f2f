"""Workflows: read them, convert them, find their inputs, keep them in a library."""
