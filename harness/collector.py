"""Python's garbage collector, kept from running where it would find nothing."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Keep Python from looking for garbage, of which reading a graph makes next to none.

    For every 100,000 nodes it would go several times through all objects that TensorFlow has made:
    a third of the time, and the part of it that grows faster than the graph.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
