"""AUTOMATIC1111's API as far as its clients use it to make pictures: ``/sdapi/v1``."""

from backend.compat.sdapi import images, lists

ROUTES = (*images.router.routes, *lists.router.routes)

__all__ = ["ROUTES"]
