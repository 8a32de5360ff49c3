"""Cell edges along one axis of a layer, and the short form in which regular ones are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, PlainSerializer

from phys_gan.detectors.limits import MOST_AXIS_CELLS

__all__ = ["Axis"]


def _read_axis(value: Any) -> Any:
    """Accept ``{start, stop, cells}`` for regular cells beside a plain list of edges."""
    if isinstance(value, dict):
        if set(value) != {"start", "stop", "cells"}:
            raise ValueError("a regular axis has exactly the keys start, stop and cells")
        if not isinstance(value["cells"], int) or value["cells"] < 1:
            raise ValueError(f"cells = {value['cells']!r} is not a positive whole number")
        _require_few(value["cells"])
        if not all(isinstance(value[end], int | float) for end in ("start", "stop")):
            raise ValueError("start and stop of a regular axis are numbers")
        with np.errstate(over="ignore", invalid="ignore"):
            ends = float(value["start"]), float(value["stop"])
            value = np.linspace(*ends, value["cells"] + 1).tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        _require_few(len(value) - 1)
        edges = tuple(value)
        numbers = all(isinstance(edge, int | float) and math.isfinite(edge) for edge in edges)
        if len(edges) < 2 or not numbers or any(high <= low for low, high in pairwise(edges)):
            raise ValueError("edges are at least two finite numbers in rising order")
        return edges
    return value


def _require_few(cells: int) -> None:
    if cells > MOST_AXIS_CELLS:
        raise ValueError(f"an axis has {cells:.4g} cells, and at most {MOST_AXIS_CELLS:,} may be")


def _write_axis(edges: tuple[float, ...]) -> Any:
    """Write regular cells in the short form when that loses nothing."""
    short = {"start": edges[0], "stop": edges[-1], "cells": len(edges) - 1}
    return short if len(edges) > 2 and _read_axis(short) == edges else list(edges)


Axis = Annotated[tuple[float, ...], BeforeValidator(_read_axis), PlainSerializer(_write_axis)]
"""Cell edges in rising order; in TOML a list, or ``{start, stop, cells}`` when regular."""
