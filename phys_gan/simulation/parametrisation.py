r"""The parametrisation of electromagnetic showers by Grindhammer and Peters (GFlash).

A period of the calorimeter acts on a shower as an :class:`EffectiveMedium`. In it the depths of
the energy follow a gamma distribution whose parameters fluctuate from shower to shower
(:class:`LongitudinalModel`), and the radii a narrow core with a broad tail, both of which grow
with depth (:class:`RadialProfile`). :class:`SpotModel` gives the number of deposits that the energy
is divided into. Depths t are in radiation lengths X_0, radii in mm, energies in MeV.

References:
    Grindhammer and Peters, The parameterized simulation of electromagnetic showers in
    homogeneous and sampling calorimeters, hep-ex/0001020.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.detectors.materials import SCALE_ENERGY, find_material, mixture
from phys_gan.errors import DetectorError


@dataclass(frozen=True)
class EffectiveMedium:
    """A calorimeter as a shower sees it (hep-ex/0001020, sec. 3).

    Attributes:
        z: Effective atomic number.
        radiation_length: X_0 [mm].
        critical_energy: E_c [MeV].
        moliere_radius: R_M [mm].
        inverse_frequency: 1 / F_S, the depth of a period [X_0]; 0 when all is read out.
        e_over_mip: Response to electrons over that to minimum ionising particles; 1 when all is
            read out.
        sampling: Whether only the active slabs are read out.
    """

    z: float
    radiation_length: float
    critical_energy: float
    moliere_radius: float
    inverse_frequency: float = 0.0
    e_over_mip: float = 1.0
    sampling: bool = False


def effective_medium(detector: Detector) -> EffectiveMedium:
    r"""Return the effective medium of a detector.

    With the fraction of weight :math:`w_i = \rho_i d_i / \sum_j \rho_j d_j` of each slab,

    .. math:: Z = \sum w_i Z_i, \quad 1 / X_0 = \sum w_i / X_{0,i}, \quad
        E_c = X_0 \sum w_i E_{c,i} / X_{0,i}, \quad R_M = E_s X_0 / E_c

    and, when only the active slabs are read out, :math:`F_S = X_0 / (d_a + d_p)` and
    :math:`e/mip = 1 / (1 + 0.007 (Z_p - Z_a))`.

    A detector without absorber, or one without a stochastic term (the deposits in the absorber
    are read out too), does not sample: it behaves as a homogeneous block of the mixture.

    Raises:
        DetectorError: The detector is not a calorimeter, has no ``[sampling]`` table, or is made
            of a material that is not known.
    """
    sampling = detector.sampling
    if detector.kind != "calorimeter":
        raise DetectorError(
            f"detector '{detector.name}' is {'an image' if detector.is_image else 'a toy'}, "
            f"in which no shower can be simulated",
            remedy="name a detector with Cartesian or polar layers",
            value=detector.name,
        )
    if sampling is None:
        raise DetectorError(
            f"detector '{detector.name}' has no [sampling] table, so its material is unknown",
            remedy="add [sampling] with the active slab and, where there is one, the absorber",
            value=detector.name,
        )
    slabs = [sampling.active] if sampling.absorber is None else [sampling.active, sampling.absorber]
    materials = [find_material(slab.material) for slab in slabs]
    depth = sum(slab.thickness for slab in slabs)
    # The densities are in g/cm^3 and the slabs in mm: the factor 10 appears with X_0 below.
    grams = [m.density * s.thickness for m, s in zip(materials, slabs, strict=True)]
    parts = [(gram / sum(grams), m) for gram, m in zip(grams, materials, strict=True)]
    mixed = mixture(parts, density=sum(grams) / depth)
    radiation_length = 10 * mixed.radiation_length * depth / sum(grams)
    reads_all = len(slabs) == 1 or sampling.stochastic_term == 0
    return EffectiveMedium(
        z=mixed.z,
        radiation_length=radiation_length,
        critical_energy=mixed.critical_energy,
        moliere_radius=SCALE_ENERGY * radiation_length / mixed.critical_energy,
        inverse_frequency=0.0 if reads_all else depth / radiation_length,
        e_over_mip=1.0 if reads_all else 1 / (1 + 0.007 * (materials[1].z - materials[0].z)),
        sampling=not reads_all,
    )


# Longitudinal profiles

_LARGEST_SIGMA = 0.5
"""The fitted widths diverge at low energy; no width of a logarithm is taken above this."""
_SMALLEST_ALPHA = 1.1
"""Below 1 the profile would fall from the very front."""
_SMALLEST_T = 0.3
_SMALLEST_LOG_Y = 1.5
"""Below this ln(E/E_c), reached only by the softer half of a pair, the formulas are held."""


@dataclass(frozen=True)
class LongitudinalModel:
    """The distribution of (ln T, ln alpha) at some energies; each field has shape (N,).

    Attributes:
        mean_log_t: Mean of ln T; T is the depth of the maximum [X_0].
        mean_log_alpha: Mean of ln alpha.
        sigma_log_t: Standard deviation of ln T.
        sigma_log_alpha: Standard deviation of ln alpha.
        rho: Correlation of both.
    """

    mean_log_t: NDArray[np.float64]
    mean_log_alpha: NDArray[np.float64]
    sigma_log_t: NDArray[np.float64]
    sigma_log_alpha: NDArray[np.float64]
    rho: NDArray[np.float64]


@dataclass(frozen=True)
class Profiles:
    r"""The longitudinal profiles of single showers; each field has shape (N,).

    .. math:: \frac{1}{E} \frac{dE}{dt} = \frac{\beta (\beta t)^{\alpha - 1} e^{-\beta t}}
        {\Gamma(\alpha)}, \quad \beta = (\alpha - 1) / T

    Attributes:
        alpha: Shape parameter.
        beta: Scale parameter [1/X_0].
        tau_per_depth: Factor from the depth t [X_0] to the variable tau of the radial profiles.
    """

    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    tau_per_depth: NDArray[np.float64]


def longitudinal_model(medium: EffectiveMedium, energy: NDArray[np.float64]) -> LongitudinalModel:
    r"""Return the distribution of the profile's parameters at energies [MeV], shape (N,).

    With :math:`y = E / E_c`, for a homogeneous medium

    .. math::
        \langle\ln T\rangle &= \ln(\ln y - 0.812) &
        \sigma(\ln T) &= (-1.4 + 1.26 \ln y)^{-1} \\
        \langle\ln\alpha\rangle &= \ln(0.81 + (0.458 + 2.26 / Z) \ln y) &
        \sigma(\ln\alpha) &= (-0.58 + 0.86 \ln y)^{-1}

    and :math:`\rho = 0.705 - 0.023 \ln y`. For a sampling calorimeter T changes by
    :math:`-0.55 / F_S - 0.69 (1 - e/mip)`, alpha by :math:`-0.476 / F_S`, and the widths and
    the correlation are :math:`(-2.5 + 1.25 \ln y)^{-1}`, :math:`(-0.82 + 0.79 \ln y)^{-1}` and
    :math:`0.784 - 0.023 \ln y` (Eq. (2), appendices A.1.2 and A.2.2).
    """
    log_y = np.maximum(np.log(energy / medium.critical_energy), _SMALLEST_LOG_Y)
    t = log_y - 0.812 - 0.55 * medium.inverse_frequency - 0.69 * (1 - medium.e_over_mip)
    alpha = 0.81 + (0.458 + 2.26 / medium.z) * log_y - 0.476 * medium.inverse_frequency
    if medium.sampling:
        width_t, width_alpha = -2.5 + 1.25 * log_y, -0.82 + 0.79 * log_y
        rho = 0.784 - 0.023 * log_y
    else:
        width_t, width_alpha = -1.4 + 1.26 * log_y, -0.58 + 0.86 * log_y
        rho = 0.705 - 0.023 * log_y
    return LongitudinalModel(
        mean_log_t=np.log(np.maximum(t, _SMALLEST_T)),
        mean_log_alpha=np.log(np.maximum(alpha, _SMALLEST_ALPHA)),
        sigma_log_t=1 / np.maximum(width_t, 1 / _LARGEST_SIGMA),
        sigma_log_alpha=1 / np.maximum(width_alpha, 1 / _LARGEST_SIGMA),
        rho=rho,
    )


def draw_profiles(model: LongitudinalModel, rng: np.random.Generator) -> Profiles:
    """Draw the profile of each shower: (ln T, ln alpha) from a correlated normal distribution.

    ``tau_per_depth`` scales depths so that tau is 1 at the maximum of the mean shower and follows
    each shower's own centre of gravity (appendix A.1.4).
    """
    common, apart = rng.standard_normal((2, len(model.rho)))
    common *= np.sqrt((1 + model.rho) / 2)
    apart *= np.sqrt((1 - model.rho) / 2)
    t = np.exp(model.mean_log_t + model.sigma_log_t * (common + apart))
    alpha = np.exp(model.mean_log_alpha + model.sigma_log_alpha * (common - apart))
    t, alpha = np.maximum(t, _SMALLEST_T), np.maximum(alpha, _SMALLEST_ALPHA)
    beta = (alpha - 1) / t
    mean_alpha = np.exp(model.mean_log_alpha)
    return Profiles(alpha, beta, beta / alpha * mean_alpha / (mean_alpha - 1))


# Radial profiles, in single precision: one is drawn from for every spot

LARGEST_RADIUS = 6.5
"""Cut of the profile [R_M]: its tail falls as 1/r^3 for ever, that of real showers does not."""

_FLOAT = np.float32


@dataclass(frozen=True)
class RadialProfile:
    r"""Radial profiles at some depths, Eq. (23); the arrays have shape (N,).

    .. math:: f(r) = p \frac{2 r R_C^2}{(r^2 + R_C^2)^2}
        + (1 - p) \frac{2 r R_T^2}{(r^2 + R_T^2)^2}, \quad r < r_{max}

    where each component is normalised within the cut.

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
        """Return the fraction of the energy within ``radius`` [mm] of the axis, shape (N,)."""
        r = _FLOAT(min(radius, self.limit))
        core = _inside(r, self.core) / _inside(self.limit, self.core)
        tail = _inside(r, self.tail) / _inside(self.limit, self.tail)
        return np.asarray(self.weight * core + (1 - self.weight) * tail, _FLOAT)

    def draw(
        self, rng: np.random.Generator, boost: float = 1.0, stretch: float = 1.0
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Draw one radius [mm] from each profile by the inverse of its distribution function.

        The tail can be drawn ``boost`` times more often than its energy asks for, and from a
        profile ``stretch`` times as broad: the halo of a real shower consists of many soft
        particles. The weights undo the change.

        Returns:
            Radii and weights, each of shape (N,); the weighted radii follow the profile.
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
    r"""Return the radial profiles of showers of ln(E / GeV) at depths tau, shape (N,) each.

    Tau is the depth in units of that of the shower's maximum. In units of R_M, with E in GeV,

    .. math::
        R_C &= 0.0251 + 0.00319 \ln E + (0.1162 - 0.000381 Z) \tau \\
        R_T &= (0.659 - 0.00309 Z) (e^{-2.59 (\tau - 0.645)}
            + e^{(0.3585 + 0.0421 \ln E)(\tau - 0.645)}) \\
        p &= (2.632 - 0.00094 Z) \exp(u - e^u), \quad
            u = (0.401 + 0.00187 Z - \tau) / (1.313 - 0.0686 \ln E)

    and for a sampling calorimeter, with :math:`\hat e = e/mip`, R_C changes by
    :math:`-0.0203 (1 - \hat e) + 0.0397 e^{-\tau} / F_S`, R_T by
    :math:`-0.14 (1 - \hat e) - 0.495 e^{-\tau} / F_S` and p by
    :math:`(1 - \hat e) (0.348 - 0.642 e^{-(\tau - 1)^2} / F_S)` (Eqs. (24)-(26), appendices A.1.3
    and A.2.3).
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
    """Return the fraction of one component, cut nowhere, within a radius."""
    return _FLOAT(radius) ** 2 / (_FLOAT(radius) ** 2 + size**2)


# Spots

_MOST_SPOTS = 10_000.0


@dataclass(frozen=True)
class SpotModel:
    r"""The number of spots of a shower, and where they are denser than its energy.

    The mean number is :math:`N = n (E / GeV)^k`, at most 10,000, which bounds time and memory.

    Attributes:
        number: n, the number at 1 GeV.
        power: k.
        t_ratio: T of the spots over that of the energy.
        alpha_ratio: Alpha of the spots over that of the energy.
        boost: See :meth:`RadialProfile.draw`.
        stretch: See :meth:`RadialProfile.draw`.
    """

    number: float
    power: float
    t_ratio: float = 1.0
    alpha_ratio: float = 1.0
    boost: float = 1.0
    stretch: float = 1.0

    def mean_number(self, energy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean number of spots at energies [MeV], shape (N,)."""
        return np.minimum(self.number * (energy / 1e3) ** self.power, _MOST_SPOTS)


def spot_model(medium: EffectiveMedium) -> SpotModel:
    """Return the spots of a medium.

    Where every deposit counts, soft photons make many small deposits far from the shower's
    centre: the depths of spots are those of appendix A.1.4, and the halo is drawn more often. In
    the thin slabs of a sampling calorimeter a spot is a charged particle that crosses, and the
    spots follow the energy. The numbers at 1 GeV and their powers are chosen for the numbers of
    hits in the Geant4 samples (see docs/simulators.md): where all is read out the paper's
    93 ln(Z) E^0.876 would cost more time and change nothing else.
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
