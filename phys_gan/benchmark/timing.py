"""Time on the clock."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["seconds"]


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes [s]."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
