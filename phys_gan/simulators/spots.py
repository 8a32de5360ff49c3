"""Cascades to spots: many small deposits of energy, each at a point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.simulators.cascades import Cascades
from phys_gan.simulators.longitudinal import draw_profiles, longitudinal_model
from phys_gan.simulators.materials import EffectiveMedium
from phys_gan.simulators.radial import radial_profile

__all__ = ["SpotModel", "Spots", "draw_spots", "spot_model"]

_SPREAD = 1.0
"""Standard deviation of the logarithm of a spot's energy."""


@dataclass(frozen=True)
class Spots:
    """Hold spots, in the order of their events; each field has shape (N,).

    Attributes:
        event: Number of the event.
        depth: Depth [mm] behind the front face.
        radius: Distance from the axis [mm].
        turn: Angle around the axis from -pi on, as a share of the full turn, 0 <= turn < 1.
        energy: Energy [MeV].
    """

    event: NDArray[np.int64]
    depth: NDArray[np.float32]
    radius: NDArray[np.float32]
    turn: NDArray[np.float32]
    energy: NDArray[np.float64]


@dataclass(frozen=True)
class SpotModel:
    r"""Say how many spots a shower has and where they are denser than its energy.

    The mean number is :math:`N = n (E / GeV)^k`, at most ``largest``.

    Attributes:
        number: n, the number at 1 GeV.
        power: k.
        t_ratio: Maximum of the spots' depths over that of the energy's.
        alpha_ratio: Shape parameter of the spots' depths over that of the energy's.
        boost: See :meth:`RadialProfile.draw`.
        stretch: See :meth:`RadialProfile.draw`.
        largest: Largest mean number, which bounds time and memory.
    """

    number: float
    power: float
    t_ratio: float = 1.0
    alpha_ratio: float = 1.0
    boost: float = 1.0
    stretch: float = 1.0
    largest: float = 10_000.0

    def mean_number(self, energy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean number of spots at some energies [MeV], shape (N,)."""
        return np.minimum(self.number * (energy / 1e3) ** self.power, self.largest)


def spot_model(medium: EffectiveMedium) -> SpotModel:
    """Return the spots of a medium.

    Where every deposit counts, soft photons make many small deposits far from the shower's
    centre: the depths of spots are those of hep-ex/0001020, appendix A.1.4, and the halo is
    drawn more often. In the thin slabs of a sampling calorimeter a spot is a charged particle
    that crosses, and the spots follow the energy. The numbers at 1 GeV and their powers are
    chosen for the numbers of hits in the Geant4 samples (see docs/simulators.md): where all is
    read out the paper's 93 ln(Z) E^0.876 would cost more time and change nothing else.
    """
    if medium.sampling:
        return SpotModel(number=130.0, power=0.95)
    return SpotModel(
        number=150.0,
        power=0.75,
        t_ratio=0.698 + 0.00212 * medium.z,
        alpha_ratio=0.639 + 0.00334 * medium.z,
        boost=3.0,
        stretch=2.0,
    )


def draw_spots(
    medium: EffectiveMedium,
    cascades: Cascades,
    incident: NDArray[np.float64],
    deposited: NDArray[np.float64],
    rng: np.random.Generator,
) -> Spots:
    """Draw the spots of some events; the energies of an event's spots sum up to ``deposited``.

    Arguments:
        medium: The medium.
        cascades: The cascades of the events.
        incident: Energy of the incident particles [MeV], shape (n_events,).
        deposited: Energy to share among the spots [MeV], shape (n_events,).
        rng: The random stream.
    """
    model = spot_model(medium)
    energy = incident[cascades.event] * cascades.share
    profiles = draw_profiles(longitudinal_model(medium, energy), rng)
    number = rng.poisson(model.mean_number(incident)[cascades.event] * cascades.share)
    number = np.maximum(number, 1)
    of_cascade = np.repeat(np.arange(len(number)), number)

    def spread(values: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.repeat(values.astype(np.float32), number)

    alpha = np.maximum(profiles.alpha * model.alpha_ratio, 1.05)
    beta = (alpha - 1) / (profiles.alpha - 1) * profiles.beta / model.t_ratio
    depth = rng.standard_gamma(spread(alpha), dtype=np.float32) / spread(beta)
    profile = radial_profile(
        medium, spread(np.log(energy / 1e3)), depth * spread(profiles.tau_per_depth)
    )
    radius, weight = profile.draw(rng, model.boost, model.stretch)
    logarithm = np.float32(_SPREAD) * rng.standard_normal(len(depth), dtype=np.float32)
    if model.t_ratio != 1.0 or model.alpha_ratio != 1.0:
        # The ratio of both gamma densities, up to a factor that the normalisation takes away.
        logarithm += spread(profiles.alpha - alpha) * np.log(depth * spread(profiles.beta))
        logarithm -= spread(profiles.beta - beta) * depth
    weight = (weight * np.exp(logarithm)).astype(np.float64)
    sums = np.bincount(of_cascade, weight, len(number))
    scale = deposited[cascades.event] * cascades.share / sums
    return Spots(
        event=np.repeat(cascades.event, number),
        depth=(depth + spread(cascades.start)) * np.float32(medium.radiation_length),
        radius=radius,
        turn=rng.random(len(depth), dtype=np.float32),
        energy=weight * np.repeat(scale, number),
    )
