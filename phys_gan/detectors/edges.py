"""Cell edges along one axis: :data:`Axis` in TOML, and :class:`Edges` to look up many values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BeforeValidator, PlainSerializer

_MOST_CELLS = 100_000
"""Cells along one axis."""
_FEW = 64
_CLOSE = 1e-6


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
        numbers = all(isinstance(edge, int | float) and math.isfinite(edge) for edge in value)
        if len(value) < 2 or not numbers or any(high <= low for low, high in pairwise(value)):
            raise ValueError("edges are at least two finite numbers in rising order")
        return tuple(value)
    return value


def _require_few(cells: int) -> None:
    if cells > _MOST_CELLS:
        raise ValueError(f"an axis has {cells:.4g} cells, and at most {_MOST_CELLS:,} may be")


def _write_axis(edges: tuple[float, ...]) -> Any:
    """Write regular cells in the short form when that loses nothing."""
    short = {"start": edges[0], "stop": edges[-1], "cells": len(edges) - 1}
    return short if len(edges) > 2 and _read_axis(short) == edges else list(edges)


Axis = Annotated[tuple[float, ...], BeforeValidator(_read_axis), PlainSerializer(_write_axis)]
"""Cell edges in rising order; in TOML a list, or ``{start, stop, cells}`` when regular."""


class Edges:
    """Bin edges in rising order, prepared for many look-ups.

    Bins of equal width are computed, and only what lies so close to an edge that rounding might
    matter is searched. A few edges are compared one by one. Both are several times as fast as a
    search for every value, with the same result.

    Example:
        >>> Edges([0.0, 1.0, 3.0]).find([-1.0, 0.0, 2.9, 3.0])
        array([-1,  0,  1, -1])
    """

    def __init__(self, edges: Sequence[float]) -> None:
        self._edges = np.asarray(edges, np.float64)
        self._n = len(self._edges) - 1
        low, high = self._edges[0], self._edges[-1]
        with np.errstate(over="ignore", invalid="ignore"):
            self._scale = self._n / (high - low)
            shift = np.abs((self._edges - low) * self._scale - np.arange(self._n + 1))
        self._regular = bool(0 < self._scale < np.inf and np.all(shift < _CLOSE / 2))

    def find(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return the half-open bin [low, high) of each value; -1 outside and for NaN."""
        values = np.asarray(values, np.float64)
        flat = values.ravel()
        if self._regular and self._n > 1:
            index = self._computed(flat)
        elif self._n <= _FEW:
            below = np.full(len(flat), -1, np.int8)
            for edge in self._edges:
                below += flat >= edge
            index = below.astype(np.int64)
        else:
            index = self._searched(flat)
        index[index >= self._n] = -1
        return index.reshape(values.shape)

    def _computed(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        with np.errstate(over="ignore"):
            scaled = values - self._edges[0]
            scaled *= self._scale
        # Far from an edge where there is none; NaN becomes -1.
        np.fmax(scaled, -0.5, out=scaled)
        np.fmin(scaled, self._n + 0.5, out=scaled)
        index: NDArray[np.int64] = np.floor(scaled).astype(np.int64)
        scaled -= np.rint(scaled)
        close = np.flatnonzero(np.abs(scaled, out=scaled) < _CLOSE)
        index[close] = self._searched(values[close])
        return index

    def _searched(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        # NaN comes after every edge.
        return np.asarray(np.searchsorted(self._edges, values, side="right") - 1, np.int64)
