"""The texts that pictures, videos and sounds carry beside what is seen and heard."""

from backend.generation.workflows.embedded.containers import texts_inside

__all__ = ["texts_inside"]
