"""The galaxy simulator: :func:`simulate_galaxies`, from conditions to stamps with noise.

Each of the :data:`CONDITIONS` of a galaxy has a value for all, values one by one, or a range to
draw from. The pixels come from :mod:`phys_gan.simulation.stamps`, by our own Fourier transforms
or by GalSim. The model and its accuracy are described in docs/galaxies.md.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from phys_gan._version import __version__
from phys_gan.detectors import Detector, ImageLayer
from phys_gan.errors import ConfigError, DataError, DetectorError, RangeError
from phys_gan.events import Events
from phys_gan.randomness import normal_noise, stream
from phys_gan.simulation.stamps import LARGEST_INDEX, SMALLEST_INDEX, Stamps, galsim_pixels
from phys_gan.work import MOST_THREADS, parallel_map

Engine = Literal["numpy", "galsim"]
Given = float | tuple[float, float] | NDArray[np.float64]
"""One value for all galaxies, a range to draw from, or the values, shape (n,)."""


@dataclass(frozen=True)
class Condition:
    """A property of a galaxy: where it is drawn from, and which values have a meaning.

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

    def require_meaning(self, name: str, values: NDArray[np.float64]) -> None:
        """Raise RangeError unless all values have a meaning; infinity has none."""
        above = values > self.smallest if self.positive else values >= self.smallest
        bad = values[~(above & (values <= self.largest) & np.isfinite(values))]
        if not bad.size:
            return
        allowed = f"{'above' if self.positive else 'at least'} {self.smallest:g}"
        if math.isfinite(self.largest):
            allowed = f"from {self.smallest:g} to {self.largest:.6g}"
        unit = f" {self.unit}" if self.unit else ""
        raise RangeError(
            f"{name} is {bad[0]:g}{unit}, but must be {allowed}{unit}",
            remedy="change it",
            value=float(bad[0]),
            constraint=(self.smallest, self.largest),
        )


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

    Each condition has its own random stream: giving one leaves the others unchanged, and
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
    # A half-light ellipse must fit the stamp: outside nothing is learnt.
    semi_major = float((drawn["half_light_radius"] / np.sqrt(drawn["axis_ratio"])).max(initial=0))
    reach = min(layer.shape) * layer.pixel_scale / 2
    if semi_major > reach:
        raise RangeError(
            f"a galaxy has its half-light ellipse reach {semi_major:.3g} arcsec "
            f"(half_light_radius / sqrt(axis_ratio)), but the stamp ends {reach:.3g} arcsec from "
            f"its centre",
            remedy="give smaller half-light radii, or a detector of more pixels",
            value=semi_major,
            constraint=reach,
        )
    return drawn


def _values(name: str, given: Given | None, n: int, seed: int) -> NDArray[np.float64]:
    condition = CONDITIONS[name]
    if given is None:
        given = (condition.low, condition.high)
    if not isinstance(given, tuple):
        values = np.asarray(given, np.float64)
        if values.shape not in ((), (n,)):
            raise DataError(
                f"{name} has shape {values.shape}, but n = {n}",
                remedy="give one value per galaxy, a number, or a range as a tuple of two numbers",
                value=values.shape,
                constraint=(n,),
            )
        condition.require_meaning(name, np.atleast_1d(values))
        return np.broadcast_to(values, (n,)).copy()
    if len(given) != 2 or not given[0] <= given[1]:
        raise RangeError(
            f"the range {given} of {name} does not rise",
            remedy="give the smaller of two numbers first",
            value=given,
        )
    low, high = given
    condition.require_meaning(name, np.array([low, high], np.float64))
    uniform = stream(seed, f"galaxies {name}").random(n)
    if not condition.logarithmic:
        return low + (high - low) * uniform
    if low <= 0:
        raise RangeError(
            f"the logarithm of {name} is drawn, but its range begins at {low:g}",
            remedy="begin above 0, or give the values themselves",
            value=given,
        )
    return np.asarray(low * (high / low) ** uniform, np.float64)


def simulate_galaxies(
    detector: Detector,
    n: int,
    *,
    conditions: Mapping[str, Given] | None = None,
    seed: int = 0,
    engine: Engine = "numpy",
    threads: int | None = None,
    noise: bool = True,
) -> Events:
    """Simulate stamps of single galaxies in the middle of an image, on a sky without background.

    The same arguments give the same events, whatever the number of threads, and the first events
    of a larger sample are those of a smaller one. Both engines get the same conditions and the
    same noise.

    Arguments:
        detector: An image of one band.
        n: How many galaxies.
        conditions: By name (see :data:`phys_gan.simulation.galaxies.CONDITIONS`) one value for
            all, a range as a tuple, or values of shape (n,); what is left out is drawn from its
            default range. Angles are in rad, lengths in arcsec, flux and noise in the detector's
            unit.
        seed: Seed of all random numbers.
        engine: ``"numpy"``, or ``"galsim"``, which is independent, slow, and must be installed.
        threads: How many threads; by default one per CPU core, but at most 4. GalSim has one.
        noise: Whether pixels have noise; without, the condition ``noise`` is 0.

    Returns:
        Events with the conditions ``flux``, ``half_light_radius``, ``sersic_index``,
        ``axis_ratio``, ``position_angle`` and ``noise``.

    Raises:
        DetectorError: The detector is not an image of one band.
        RangeError: A number or a condition has no meaning, or a galaxy is too large.
        ConfigError: There is no such condition or engine, or ``noise`` is given and switched off.
        DataError: An array of conditions does not have the shape (n,).
        MissingError: GalSim is not installed.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> events = simulate_galaxies(load_detector("galaxies-32"), 3, conditions={"flux": 50.0})
        >>> events.cells.shape, len(events.conditions)
        ((3, 1024), 6)
    """
    layer = _one_band(detector)
    if n < 1:
        raise RangeError(f"n = {n} is less than 1", remedy="ask for at least one event", value=n)
    given = dict(conditions or {})
    if not noise:
        if "noise" in given:
            raise ConfigError(
                "there is to be no noise, but the condition 'noise' is given",
                remedy="leave one of them out",
                value=given["noise"],
            )
        given["noise"] = 0.0
    galaxies = draw_conditions(layer, n, given, seed)
    if engine == "numpy":
        stamps = Stamps(layer)
        render, block, most_threads = stamps.render, stamps.block, MOST_THREADS
    elif engine == "galsim":
        render, block, most_threads = partial(galsim_pixels, layer), 1, 1
    else:
        raise ConfigError(
            f"'{engine}' is not an engine; available: numpy, galsim",
            remedy="name one of these",
            value=engine,
        )
    cells = np.empty((n, layer.n_cells), np.float32)
    # Apart from the latents that a generator of the same seed would draw.
    noise_seed = int(stream(seed, "galaxies noise").integers(2**63))

    def fill(first: int) -> None:
        # The last block is filled up: what else is in a block must not change the last bit.
        rows = np.minimum(np.arange(first, first + block), n - 1)
        pixels = render({name: values[rows] for name, values in galaxies.items()})
        count = min(block, n - first)
        part = cells[first : first + count]
        part[:] = pixels[:count].reshape(count, -1)
        rms = galaxies["noise"][first : first + count, np.newaxis]
        if rms.any():
            part += rms * normal_noise(noise_seed, first, count, layer.n_cells)

    workers = min(threads or os.cpu_count() or 1, most_threads)
    list(parallel_map(fill, range(0, n, block), workers))
    provenance = {
        "simulator": "phys_gan galaxies: Sersic profiles seen through a Moffat point spread "
        "function",
        "engine": engine,
        "seed": str(seed),
        "version": __version__,
    }
    return Events(cells, galaxies, detector, provenance=provenance)


def _one_band(detector: Detector) -> ImageLayer:
    layer = detector.layers[0]
    if not isinstance(layer, ImageLayer):
        raise DetectorError(
            f"detector '{detector.name}' is not an image, so no galaxy can be simulated in it",
            remedy="name an image, such as galaxies-32",
            value=detector.name,
        )
    if detector.n_layers > 1:
        raise DetectorError(
            f"detector '{detector.name}' has {detector.n_layers} bands, but the simulated galaxies "
            f"have no colours",
            remedy="name an image of one band, such as galaxies-32",
            value=detector.n_layers,
            constraint=1,
        )
    return layer
