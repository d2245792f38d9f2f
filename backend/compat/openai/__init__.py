"""OpenAI's image API, as its official client and everything built on that speak it: ``/v1/images`` and ``/v1/models``."""
