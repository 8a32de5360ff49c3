"""Particles to cascades: an electron starts one at the front, a photon two where it converts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import MissingError

__all__ = ["Cascades", "pair_share", "start_cascades"]

_ELECTROMAGNETIC = ("e+", "e-", "gamma")
"""The particles whose showers are electromagnetic from the start."""

_MEAN_FREE_PATH = 9 / 7
"""Mean free path of a high-energy photon against pair production [X_0]."""


@dataclass(frozen=True)
class Cascades:
    """Hold the electron cascades of some events, in the order of the events.

    Attributes:
        event: Number of the event that the cascade belongs to, shape (N,).
        share: Its share of the event's energy, shape (N,).
        start: Where it begins [X_0], shape (N,).
    """

    event: NDArray[np.int64]
    share: NDArray[np.float64]
    start: NDArray[np.float64]


def start_cascades(particle: str, n: int, rng: np.random.Generator) -> Cascades:
    """Start the cascades of n incident particles.

    Electrons and positrons begin to shower at the front face. A photon converts after an
    exponentially distributed depth of mean 9/7 X_0; electron and positron share its energy and
    make a cascade each (the annihilation of the positron is neglected).

    Raises:
        MissingError: No electromagnetic shower starts from this particle.
    """
    if particle not in _ELECTROMAGNETIC:
        raise MissingError(
            f"no parametric shower for the particle '{particle}'; available: "
            f"{', '.join(_ELECTROMAGNETIC)}",
            remedy="simulate hadrons and muons with Geant4 and read its file",
            value=particle,
        )
    if particle != "gamma":
        return Cascades(np.arange(n), np.ones(n), np.zeros(n))
    share = pair_share(n, rng)
    return Cascades(
        event=np.repeat(np.arange(n), 2),
        share=np.stack([share, 1 - share], axis=1).ravel(),
        start=np.repeat(rng.exponential(_MEAN_FREE_PATH, n), 2),
    )


def pair_share(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    r"""Draw the share x of a photon's energy that the electron of its pair takes.

    .. math:: \frac{d\sigma}{dx} \propto 1 - \frac{4}{3} x (1 - x)

    (complete screening; Particle Data Group, Passage of particles through matter, Eq. 34.31).
    """
    # 1 - 4/3 x (1 - x) = 2/3 + (1 - 2 x)^2 / 3 is a mixture of a uniform share, with weight
    # 6/7, and of a density of (1 - 2 x)^2, whose 1 - 2 x is the cube root of a uniform number.
    flat, uniform, chooser = rng.random((3, n))
    steep = (1 - np.cbrt(2 * uniform - 1)) / 2
    share: NDArray[np.float64] = np.where(chooser < 6 / 7, flat, steep)
    return share
