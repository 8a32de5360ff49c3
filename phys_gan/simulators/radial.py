"""Radial profiles: a narrow core and a broad tail whose sizes grow with depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.simulators.materials import EffectiveMedium

__all__ = ["LARGEST_RADIUS", "RadialProfile", "radial_profile"]

LARGEST_RADIUS = 6.5
"""Cut of the profile [R_M]: its tail falls as 1/r^3 for ever, that of real showers does not."""

_FLOAT = np.float32


@dataclass(frozen=True)
class RadialProfile:
    r"""Hold radial profiles at some depths, each of shape (N,).

    .. math:: f(r) = p \frac{2 r R_C^2}{(r^2 + R_C^2)^2}
        + (1 - p) \frac{2 r R_T^2}{(r^2 + R_T^2)^2}, \quad r < r_{max}

    where each component is normalised within the cut.

    References:
        Grindhammer and Peters, hep-ex/0001020, Eq. (23).

    Attributes:
        core: R_C [mm].
        tail: R_T [mm].
        weight: Weight p of the core.
        limit: The cut r_max [mm].
    """

    core: NDArray[np.float32]
    tail: NDArray[np.float32]
    weight: NDArray[np.float32]
    limit: float

    def contained(self, radius: float) -> NDArray[np.float32]:
        """Return the share of the energy within ``radius`` [mm] of the axis, shape (N,)."""
        r = _FLOAT(min(radius, self.limit))
        core = _inside(r, self.core) / _inside(self.limit, self.core)
        tail = _inside(r, self.tail) / _inside(self.limit, self.tail)
        share: NDArray[np.float32] = self.weight * core + (1 - self.weight) * tail
        return share

    def draw(
        self, rng: np.random.Generator, boost: float = 1.0, stretch: float = 1.0
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Draw one radius [mm] from each profile by the inverse of its distribution function.

        The tail can be drawn more often and from a broader profile than its energy asks for:
        the halo of a real shower consists of many soft particles. The weights undo the change.

        Arguments:
            rng: The random stream.
            boost: How many times more often than its energy says the tail is chosen.
            stretch: Factor on R_T in the drawing of tail radii.

        Returns:
            The radii and the weights, each of shape (N,); the profile is that of the weighted
            radii.
        """
        n = len(self.core)
        boosted = self.weight + _FLOAT(boost) * (1 - self.weight)
        in_core = rng.random(n, dtype=_FLOAT) * boosted < self.weight
        size = np.where(in_core, self.core, self.tail)
        drawn = np.where(in_core, size, _FLOAT(stretch) * size)
        inside = rng.random(n, dtype=_FLOAT) * _inside(self.limit, drawn)
        square = drawn**2 * (inside / (1 - inside))
        weight = np.where(in_core, boosted, boosted / _FLOAT(boost))
        if stretch != 1.0:
            weight *= (size / drawn * (square + drawn**2) / (square + size**2)) ** 2
            weight *= _inside(self.limit, drawn) / _inside(self.limit, size)
        return np.sqrt(square), weight


def radial_profile(
    medium: EffectiveMedium, log_energy: NDArray[np.float32], tau: NDArray[np.float32]
) -> RadialProfile:
    r"""Return the radial profiles of showers of some energies at some depths.

    In units of R_M, with E in GeV,

    .. math::
        R_C &= 0.0251 + 0.00319 \ln E + (0.1162 - 0.000381 Z) \tau \\
        R_T &= (0.659 - 0.00309 Z) (e^{-2.59 (\tau - 0.645)}
            + e^{(0.3585 + 0.0421 \ln E)(\tau - 0.645)}) \\
        p &= (2.632 - 0.00094 Z) \exp(u - e^u), \quad
            u = (0.401 + 0.00187 Z - \tau) / (1.313 - 0.0686 \ln E)

    and for a sampling calorimeter, with :math:`\hat e = e/mip`, R_C changes by
    :math:`-0.0203 (1 - \hat e) + 0.0397 e^{-\tau} / F_S`, R_T by
    :math:`-0.14 (1 - \hat e) - 0.495 e^{-\tau} / F_S` and p by
    :math:`(1 - \hat e) (0.348 - 0.642 e^{-(\tau - 1)^2} / F_S)`.

    References:
        Grindhammer and Peters, hep-ex/0001020, Eqs. (24)-(26), appendices A.1.3 and A.2.3.

    Arguments:
        medium: The medium.
        log_energy: ln(E / GeV) of each shower, shape (N,).
        tau: Depth in units of the shower's maximum, shape (N,).
    """
    z = medium.z
    core = _FLOAT(0.0251) + _FLOAT(0.00319) * log_energy + _FLOAT(0.1162 - 0.000381 * z) * tau
    behind = tau - _FLOAT(0.645)
    slope = _FLOAT(0.3585) + _FLOAT(0.0421) * log_energy
    tail = _FLOAT(0.659 - 0.00309 * z) * (np.exp(_FLOAT(-2.59) * behind) + np.exp(slope * behind))
    u = (_FLOAT(0.401 + 0.00187 * z) - tau) / (_FLOAT(1.313) - _FLOAT(0.0686) * log_energy)
    weight = _FLOAT(2.632 - 0.00094 * z) * np.exp(u - np.exp(u))
    if medium.sampling:
        missing = _FLOAT(1 - medium.e_over_mip)
        coarse = _FLOAT(medium.inverse_frequency)
        early = coarse * np.exp(-tau)
        core += _FLOAT(-0.0203) * missing + _FLOAT(0.0397) * early
        tail += _FLOAT(-0.14) * missing - _FLOAT(0.495) * early
        near_maximum = coarse * np.exp(-((tau - 1) ** 2))
        weight += missing * (_FLOAT(0.348) - _FLOAT(0.642) * near_maximum)
    # At the very front the corrections can turn sizes negative: the core keeps a minimal one.
    core = np.maximum(core, _FLOAT(0.01))
    scale = _FLOAT(medium.moliere_radius)
    return RadialProfile(
        core=core * scale,
        tail=np.maximum(tail, core) * scale,
        weight=np.clip(weight, 0, 1),
        limit=LARGEST_RADIUS * medium.moliere_radius,
    )


def _inside(radius: float | np.float32, size: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the share of one component, cut nowhere, within a radius."""
    return _FLOAT(radius) ** 2 / (_FLOAT(radius) ** 2 + size**2)
