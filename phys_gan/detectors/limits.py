"""How large a detector may be: what a text asks for is bounded before any memory is taken."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "MOST_AXIS_CELLS",
    "MOST_CELLS",
    "MOST_GROUP_ENTRIES",
    "MOST_LAYERS",
    "MOST_TEXT",
    "declared_cells",
    "shortened",
    "too_long",
    "too_many_dots",
]

MOST_CELLS = 10_000_000
"""Cells of a detector."""
MOST_LAYERS = 10_000
"""Layers of a detector."""
MOST_AXIS_CELLS = 100_000
"""Cells along one axis of a layer."""
MOST_GROUP_ENTRIES = 50_000_000
"""Cells times elements of the symmetry group, which is a table of both."""
MOST_TEXT = 1 << 22
"""Characters of a description; the largest of a built-in detector has about two thousand."""

_LONGEST_MESSAGE = 300
_MOST_DOTS = 64
_NUMBER = re.compile(r"(?<![\w.\"'])[+-]?\d+\.\d+(?:[eE][+-]?\d+)?(?![\w.\"'])")


def too_long(text: str) -> str:
    """Return a clause that says that a description is too long, or nothing."""
    if len(text) <= MOST_TEXT:
        return ""
    return f"it has {len(text):,} characters, and a detector at most {MOST_TEXT:,}"


def too_many_dots(text: str) -> str:
    """Return a clause that says that a line of TOML nests names too deeply, or nothing.

    A name of n parts, ``a.b.c``, costs the parser of TOML n squared entries of memory.
    """
    for line in text.splitlines():
        # Numbers may have as many dots as they like.
        if line.count(".") > _MOST_DOTS and _NUMBER.sub("", line).count(".") > _MOST_DOTS:
            return f"a line has more than {_MOST_DOTS} dots that belong to no number"
    return ""


def declared_cells(layer: Mapping[str, Any]) -> int:
    """Return how many cells a layer says that it has, without making any; 1 where it says none."""
    cells = 1
    for axis in ("x", "y", "r"):
        cells *= _along(layer.get(axis))
    for number in ("n_alpha", "rows", "columns"):
        value = layer.get(number)
        cells *= value if isinstance(value, int) and value > 0 else 1
    return cells


def _along(axis: Any) -> int:
    """Return the cells along an axis in either of its forms."""
    if isinstance(axis, Mapping):
        cells = axis.get("cells")
        return cells if isinstance(cells, int) and cells > 0 else 1
    if isinstance(axis, Sequence) and not isinstance(axis, str):
        return max(1, len(axis) - 1)
    return 1


def shortened(message: str) -> str:
    """Return a message that may quote a hostile text, as one line that fits on a screen."""
    line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    half = _LONGEST_MESSAGE // 2
    return line if len(line) <= 2 * half else f"{line[:half]} … {line[-half:]}"
