"""Bins for a histogram, chosen from the reference alone; what lies outside stays countable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Binning", "counts", "extended"]

_STEPS = np.array([1.0, 2.0, 2.5, 4.0, 5.0, 10.0])


@dataclass(frozen=True)
class Binning:
    """A rule that turns reference values into bin edges.

    The range covers all but a fraction ``outside`` of the reference at either end, so that one
    wild value does not stretch it; the number of bins follows Rice's rule 2 n^(1/3) between 10
    and 50. Values on a lattice (numbers of cells) get bins of whole lattice steps.

    Arguments:
        scale: Bins of equal width on this scale. ``"auto"`` takes the logarithmic one when the
            middle 80 % of the positive values span more than a factor 30.
        low: Lower end; from the reference when None.
        high: Upper end; from the reference when None.
        outside: Fraction of the reference that may lie outside at either end; at least 5 events.
    """

    scale: Literal["linear", "log", "auto"] = "linear"
    low: float | None = None
    high: float | None = None
    outside: float = 0.002

    def edges(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return bin edges for finite reference values, shape (n_bins + 1,)."""
        n_bins = int(np.clip(round(2 * len(values) ** (1 / 3)), 10, 50))
        # All that follows asks for quantiles and neighbours.
        values = np.sort(values)
        positive = values[np.searchsorted(values, 0.0, side="right") :]
        if self._is_log(values, positive):
            low, high = self._range(positive)
            high = max(high, low * 1.1)
            return np.geomspace(low, high + _room(values, low, high), n_bins + 1)
        low, high = self._range(values)
        step = _lattice(values)
        if step:
            # Quantiles fall between lattice points; bins must begin half a step before one.
            low = float(values[0] + step * np.floor((low - values[0]) / step))
            width = step * max(1, np.ceil((high - low) / step / n_bins))
            return _regular(low - step / 2, high + step / 2, width)
        if high <= low:
            # A single value in the middle of its bin.
            width = 1.0 if low.is_integer() else abs(low) / 10
            return np.array([low - width / 2, low + width / 2])
        width = _round_up((high - low) / n_bins)
        return _regular(width * np.floor(low / width), high + _room(values, low, high), width)

    def _is_log(self, values: NDArray[np.float64], positive: NDArray[np.float64]) -> bool:
        if self.scale != "auto" or len(positive) < len(values) / 2:
            return self.scale == "log" and len(positive) > 0
        return _quantile(positive, 0.9) > 30 * _quantile(positive, 0.1)

    def _range(self, values: NDArray[np.float64]) -> tuple[float, float]:
        # A tail bin that holds too few reference entries would tell n from m, not p from q.
        outside = min(0.1, max(self.outside, 5 / len(values)))
        return (
            _quantile(values, outside) if self.low is None else self.low,
            _quantile(values, 1 - outside) if self.high is None else self.high,
        )


def counts(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count values in bins [low, high) with under- and overflow, shape (n_bins + 2,).

    As in every room, the last bin is half-open too: a value at the last edge is overflow.
    """
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def extended(edges: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Continue regular bins until they cover 99 % of ``values``, half their number at most.

    A candidate that lies beside the reference is then seen, not only counted as overflow.
    """
    if len(edges) < 3 or not len(values):
        return edges
    log = edges[0] > 0 and (edges[2] - edges[1]) > 1.001 * (edges[1] - edges[0])
    scale = np.log(edges) if log else edges
    width = (scale[-1] - scale[0]) / (len(edges) - 1)
    low, high = np.quantile(values, [0.005, 0.995])
    if log:
        low, high = np.log(max(low, edges[0] * 1e-9)), np.log(max(high, edges[0] * 1e-9))
    most = len(edges) // 2
    before = int(np.clip(np.ceil((scale[0] - low) / width), 0, most))
    behind = int(np.clip(np.ceil((high - scale[-1]) / width), 0, most))
    front = scale[0] - width * np.arange(before, 0, -1)
    back = scale[-1] + width * np.arange(1, behind + 1)
    if log:
        front, back = np.exp(front), np.exp(back)
    return np.concatenate([front, edges, back])


def _room(ordered: NDArray[np.float64], low: float, high: float) -> float:
    """Return what to add to the upper end: bins end before it, and many events may share it."""
    many = np.searchsorted(ordered, high, side="right") - np.searchsorted(ordered, high) > 1
    return 1e-6 * (high - low) if many else 0.0


def _quantile(ordered: NDArray[np.float64], part: float) -> float:
    """Return a quantile of sorted values, interpolated between neighbours."""
    below, share = divmod(part * (len(ordered) - 1), 1)
    low, high = ordered[[int(below), min(int(below) + 1, len(ordered) - 1)]]
    return float(low + share * (high - low))


def _lattice(ordered: NDArray[np.float64]) -> float:
    """Return the step of the lattice that sorted values lie on, or 0 when they lie on none."""
    gaps = np.diff(ordered)
    gaps = gaps[gaps > 0]
    if not 1 <= len(gaps) < max(20, len(ordered) // 4):
        return 0.0
    gaps = gaps[gaps > 1e-9 * (ordered[-1] - ordered[0])]
    multiples = gaps / gaps.min()
    return float(gaps.min()) if np.all(np.abs(multiples - multiples.round()) < 0.01) else 0.0


def _round_up(width: float) -> float:
    """Return the next width that reads well: 1, 2, 2.5, 4 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(width))
    return float(power * _STEPS[np.searchsorted(_STEPS, width / power - 1e-9)])


def _regular(low: float, high: float, width: float) -> NDArray[np.float64]:
    n_bins = max(1, int(np.ceil((high - low) / width - 1e-9)))
    return np.asarray(low + width * np.arange(n_bins + 1), np.float64)
