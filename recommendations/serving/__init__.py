"""Serving: from a request to a slate. `prepared` → `planning` → `gate` → `reranking`, put together in `slates`."""
