"""The galaxy simulator: conditions to stamps with noise."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from phys_gan._version import __version__
from phys_gan.detectors import Detector, ImageLayer
from phys_gan.errors import ConfigError, DetectorError, RangeError
from phys_gan.events import Events
from phys_gan.randomness import normal_noise, stream
from phys_gan.simulators.galaxies import galsim
from phys_gan.simulators.galaxies.conditions import Given, draw_conditions
from phys_gan.simulators.galaxies.stamps import Stamps

__all__ = ["Engine", "simulate_galaxies"]

Engine = Literal["numpy", "galsim"]
_Render = Callable[[Mapping[str, NDArray[np.float64]]], NDArray[np.float64]]

_MOST_THREADS = 4
_MODEL = "Sersic profiles seen through a Moffat point spread function"


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

    The model and its accuracy are described in docs/galaxies.md. The same arguments give the
    same events, whatever the number of threads, and the first events of a larger sample are those
    of a smaller one. Both engines get the same conditions and the same noise.

    Arguments:
        detector: An image of one band.
        n: How many galaxies.
        conditions: By name (see :data:`phys_gan.simulators.galaxies.CONDITIONS`) one value for
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
        DetectorError: The detector is no image of one band.
        RangeError: A number or a condition has no meaning, or a galaxy is too large.
        ConfigError: There is no such condition or engine, or there is to be noise and none.
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
        raise RangeError(f"n = {n} is no number of events", remedy="ask for at least one", value=n)
    galaxies = draw_conditions(layer, n, _with_noise(conditions or {}, noise), seed)
    render, block, most_threads = _engine(engine, layer)
    cells = np.empty((n, layer.n_cells), np.float32)
    # Apart from the latents that a generator of the same seed would draw.
    noise_seed = int(stream(seed, "galaxies noise").integers(2**63))

    def fill(first: int) -> None:
        # The last block is filled up: what else is in a block must not change the last bit.
        rows = np.minimum(np.arange(first, first + block), n - 1)
        pixels = render({name: values[rows] for name, values in galaxies.items()})
        count = min(block, n - first)
        cells[first : first + count] = pixels[:count].reshape(count, -1)
        rms = galaxies["noise"][first : first + count, np.newaxis]
        if rms.any():
            cells[first : first + count] += rms * normal_noise(
                noise_seed, first, count, layer.n_cells
            )

    workers = min(threads or os.cpu_count() or 1, most_threads)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, range(0, n, block)))
    provenance = {
        "simulator": f"phys_gan galaxies: {_MODEL}",
        "engine": engine,
        "seed": str(seed),
        "version": __version__,
    }
    return Events(cells, galaxies, detector, provenance=provenance)


def _one_band(detector: Detector) -> ImageLayer:
    layer = detector.layers[0]
    if not isinstance(layer, ImageLayer):
        raise DetectorError(
            f"detector '{detector.name}' is no image, so no galaxy can be simulated in it",
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


def _with_noise(conditions: Mapping[str, Given], noise: bool) -> Mapping[str, Given]:
    if noise:
        return conditions
    if "noise" in conditions:
        raise ConfigError(
            "there is to be no noise, but the condition 'noise' is given",
            remedy="leave one of them out",
            value=conditions["noise"],
        )
    return {**conditions, "noise": 0.0}


def _engine(engine: str, layer: ImageLayer) -> tuple[_Render, int, int]:
    """Return how stamps are made, how many at once, and in how many threads at most."""
    if engine == "numpy":
        stamps = Stamps(layer)
        return stamps.render, stamps.block, _MOST_THREADS
    if engine == "galsim":
        return partial(galsim.render, layer), 1, 1
    raise ConfigError(
        f"'{engine}' is not an engine; available: numpy, galsim",
        remedy="name one of these",
        value=engine,
    )
