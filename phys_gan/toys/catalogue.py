"""The toys: what GANs are tried on in the literature, by the names of their detectors."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from phys_gan._version import __version__
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import MissingError
from phys_gan.events import Events
from phys_gan.toys.mixture import Mixture

__all__ = ["TOYS", "simulate_toy", "truth_of"]

_TURNS = 2 * np.pi * np.arange(8) / 8
_STEPS = [-4.0, -2.0, 0.0, 2.0, 4.0]

TOYS: Mapping[str, Mixture] = MappingProxyType(
    {
        "toy-gaussian": Mixture(np.zeros((1, 1)), sigma=1.0),
        "toy-ring": Mixture(2 * np.stack([np.cos(_TURNS), np.sin(_TURNS)], axis=1), sigma=0.02),
        "toy-grid": Mixture(np.array([(x, y) for x in _STEPS for y in _STEPS]), sigma=0.05),
    }
)
"""The exact densities: a standard normal distribution; 8 Gaussians on a circle of radius 2
(Metz et al., Unrolled Generative Adversarial Networks, 2016, arXiv:1611.02163, sec. 3.1 and
appendix A); 25 Gaussians on a grid of step 2 (Lin et al., PacGAN: The power of two samples in
generative adversarial networks, 2017, arXiv:1712.04086, sec. 4.1)."""


def truth_of(detector: Detector) -> Mixture | None:
    """Return the density of a toy; None where the detector is none, or is a user's own.

    Example:
        >>> truth_of(load_detector("toy-ring")).n_modes
        8
    """
    mixture = TOYS.get(detector.name) if detector.is_toy else None
    if mixture is None or mixture.n_dimensions != detector.n_cells:
        return None
    return mixture


def simulate_toy(name: str, n: int, seed: int = 0) -> Events:
    """Draw points from a toy: events without conditions, one cell per coordinate.

    Arguments:
        name: One of :data:`TOYS`.
        n: How many points.
        seed: Seed of all random numbers.

    Raises:
        MissingError: There is no such toy.
        RangeError: ``n`` is less than 1.

    Example:
        >>> simulate_toy("toy-grid", 3)
        Events(3 x 2 cells, toy-grid, no conditions)
    """
    if name not in TOYS:
        raise MissingError(
            f"'{name}' is not a toy; available: {', '.join(TOYS)}",
            remedy="name one of these",
            value=name,
        )
    return Events(
        TOYS[name].sample(n, seed).astype(np.float32),
        {},
        load_detector(name),
        provenance={"simulator": "phys_gan toys", "seed": str(seed), "version": __version__},
    )
