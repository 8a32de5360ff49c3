"""How large a detector may be: what a text asks for is bounded before any memory is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "MOST_AXIS_CELLS",
    "MOST_CELLS",
    "MOST_GROUP_ENTRIES",
    "MOST_LAYERS",
    "declared_cells",
    "require_bounded",
]

MOST_CELLS = 10_000_000
"""Cells of a detector."""
MOST_LAYERS = 10_000
"""Layers of a detector."""
MOST_AXIS_CELLS = 100_000
"""Cells along one axis of a layer."""
MOST_GROUP_ENTRIES = 50_000_000
"""Cells times elements of the symmetry group, which is a table of both."""


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


def require_bounded(n_cells: int, n_layers: int) -> None:
    """Require a detector that is not too large.

    Raises:
        ValueError: It has too many layers or cells.
    """
    if n_layers > MOST_LAYERS:
        raise ValueError(f"it has {n_layers:,} layers, and at most {MOST_LAYERS:,} may be")
    if n_cells > MOST_CELLS:
        raise ValueError(f"it has {n_cells:.4g} cells, and at most {MOST_CELLS:,} may be")
