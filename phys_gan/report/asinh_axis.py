"""Axes for numbers of either sign that span decades: linear around zero, logarithmic beyond."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import NDArray

__all__ = ["asinh_axis", "asinh_ticks"]

_MOST_POWERS = 4


def asinh_axis(axes: Axes, softening: float, edges: NDArray[np.float64]) -> None:
    """Make the x axis linear up to the softening, with ticks at zero and at powers of ten.

    Arguments:
        axes: The axes.
        softening: Where it turns from linear to logarithmic.
        edges: Edges of what is drawn, for the ticks.
    """
    axes.set_xscale("asinh", linear_width=softening)
    ticks = asinh_ticks(softening, float(edges[0]), float(edges[-1]))
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    powers = [tick for tick in ticks if tick]
    minor = {factor * power for power in powers for factor in range(2, 10)}
    axes.xaxis.set_minor_locator(FixedLocator(sorted(minor)))


def asinh_ticks(softening: float, low: float, high: float) -> list[float]:
    """Return zero and the powers of ten beyond the softening, in steps that leave room for labels.

    Example:
        >>> asinh_ticks(0.05, -0.5, 20.0)
        [-0.1, 0.0, 0.1, 1.0, 10.0]
    """
    first = int(np.ceil(np.log10(softening)))
    largest = max(abs(low), abs(high), 10.0**first)
    last = int(np.floor(np.log10(largest)))
    step = -(-(last - first + 1) // _MOST_POWERS)
    powers = [float(f"1e{exponent}") for exponent in range(first, last + 1, step)]
    ticks = [*(-power for power in reversed(powers)), 0.0, *powers]
    return [tick for tick in ticks if low <= tick <= high]
