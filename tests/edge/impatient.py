"""The API's application as it is, but for its patience with bodies that come slowly: tests need not wait for long."""

from recomengine.edge import application
from recomengine.lib import asgi

__all__ = ["application"]
asgi.BODY_TIMEOUT = 3.0  # type: ignore[misc]
