"""AUTOMATIC1111's API as far as its clients use it to make pictures: ``/sdapi/v1``."""
