"""The conditions of a galaxy: what each means, and how its values are fixed, drawn or given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import ImageLayer
from phys_gan.errors import ConfigError, DataError, RangeError
from phys_gan.randomness import stream
from phys_gan.simulators.galaxies.sersic import LARGEST_INDEX, SMALLEST_INDEX

__all__ = ["CONDITIONS", "Condition", "Given", "draw_conditions"]

Given = float | tuple[float, float] | NDArray[np.float64]
"""One value for all galaxies, a range to draw from, or the values, shape (n,)."""


@dataclass(frozen=True)
class Condition:
    """Describe one condition.

    Attributes:
        unit: Its unit; empty where it has none. A count is the unit of a pixel.
        low: Where values are drawn from by default.
        high: Where to.
        smallest: The smallest value that has a meaning.
        largest: The largest one.
        logarithmic: Whether its logarithm is drawn evenly, not the value itself.
        positive: Whether the smallest value itself has no meaning.
    """

    unit: str
    low: float
    high: float
    smallest: float
    largest: float = math.inf
    logarithmic: bool = False
    positive: bool = False

    def holds(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which values have a meaning, of the same shape; infinity has none."""
        above = values > self.smallest if self.positive else values >= self.smallest
        return above & (values <= self.largest) & np.isfinite(values)

    @property
    def allowed(self) -> str:
        """What the values must be, as words."""
        if math.isfinite(self.largest):
            return f"from {self.smallest:g} to {self.largest:.6g}"
        return f"above {self.smallest:g}" if self.positive else f"at least {self.smallest:g}"


CONDITIONS: Mapping[str, Condition] = MappingProxyType(
    {
        "flux": Condition("count", 20, 200, 0, logarithmic=True, positive=True),
        "half_light_radius": Condition("arcsec", 0.3, 1.2, 0, logarithmic=True, positive=True),
        "sersic_index": Condition("", 0.7, 4, SMALLEST_INDEX, LARGEST_INDEX),
        "axis_ratio": Condition("", 0.3, 1, 0.1, 1),
        "position_angle": Condition("rad", 0, math.pi, 0, math.pi),
        "noise": Condition("count", 0.02, 0.1, 0, logarithmic=True),
    }
)
"""Flux: of the whole galaxy, also beside the stamp, without noise. Half-light radius: of the
profile before the seeing, circularised, sqrt(a b). Axis ratio: b/a. Position angle: of the major
axis, from x towards y. Noise: standard deviation of a pixel."""


def draw_conditions(
    layer: ImageLayer, n: int, given: Mapping[str, Given] | None = None, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Return the conditions of n galaxies, shape (n,) each.

    Each condition has a random stream of its own: giving one leaves the others as they are, and
    the first galaxies of a larger sample are those of a smaller one.

    Arguments:
        layer: The pixels that they are for.
        n: How many galaxies.
        given: Conditions by name; those that are not given are drawn from their default range.
        seed: Seed of all random numbers.

    Raises:
        ConfigError: There is no such condition.
        RangeError: A value has no meaning, or a galaxy is too large for its stamp.
        DataError: An array does not have the shape (n,).

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> pixels = load_detector("galaxies-32").layers[0]
        >>> draw_conditions(pixels, 2, {"flux": 100.0})["flux"]
        array([100., 100.])
    """
    given = given or {}
    for name in given:
        if name not in CONDITIONS:
            raise ConfigError(
                f"galaxies have no condition '{name}'; available: {', '.join(CONDITIONS)}",
                remedy="name one of these",
                value=name,
                constraint=tuple(CONDITIONS),
            )
    drawn = {name: _values(name, given.get(name), n, seed) for name in CONDITIONS}
    _require_fit(layer, drawn["half_light_radius"] / np.sqrt(drawn["axis_ratio"]))
    return drawn


def _values(name: str, given: Given | None, n: int, seed: int) -> NDArray[np.float64]:
    condition = CONDITIONS[name]
    if given is None:
        given = (condition.low, condition.high)
    if isinstance(given, tuple):
        return _drawn(name, given, stream(seed, f"galaxies {name}").random(n))
    values = np.asarray(given, np.float64)
    if values.shape not in ((), (n,)):
        raise DataError(
            f"{name} has shape {values.shape}, but n = {n}",
            remedy="give one value per galaxy, a number, or a range as a tuple of two numbers",
            value=values.shape,
            constraint=(n,),
        )
    _require_meaning(name, np.atleast_1d(values))
    return np.broadcast_to(values, (n,)).copy()


def _drawn(
    name: str, bounds: tuple[float, float], uniform: NDArray[np.float64]
) -> NDArray[np.float64]:
    condition = CONDITIONS[name]
    if len(bounds) != 2 or not bounds[0] <= bounds[1]:
        raise RangeError(
            f"the range {bounds} of {name} does not rise",
            remedy="give the smaller of two numbers first",
            value=bounds,
        )
    low, high = bounds
    _require_meaning(name, np.array([low, high], np.float64))
    if not condition.logarithmic:
        return low + (high - low) * uniform
    if low <= 0:
        raise RangeError(
            f"the logarithm of {name} is drawn, but its range begins at {low:g}",
            remedy="begin above 0, or give the values themselves",
            value=bounds,
        )
    return np.asarray(low * (high / low) ** uniform, np.float64)


def _require_meaning(name: str, values: NDArray[np.float64]) -> None:
    condition = CONDITIONS[name]
    bad = values[~condition.holds(values)]
    if bad.size:
        unit = f" {condition.unit}" if condition.unit else ""
        raise RangeError(
            f"{name} is {bad[0]:g}{unit}, but must be {condition.allowed}{unit}",
            remedy="change it",
            value=float(bad[0]),
            constraint=(condition.smallest, condition.largest),
        )


def _require_fit(layer: ImageLayer, semi_major: NDArray[np.float64]) -> None:
    """Require half-light ellipses that fit the stamp, outside of which nothing is learnt.

    Raises:
        RangeError: One does not.
    """
    reach = min(layer.shape) * layer.pixel_scale / 2
    if np.any(semi_major > reach):
        raise RangeError(
            f"a galaxy has its half-light ellipse reach {semi_major.max():.3g} arcsec "
            f"(half_light_radius / sqrt(axis_ratio)), but the stamp ends {reach:.3g} arcsec from "
            f"its centre",
            remedy="give smaller half-light radii, or a detector of more pixels",
            value=float(semi_major.max()),
            constraint=reach,
        )
