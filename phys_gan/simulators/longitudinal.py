"""Longitudinal profiles: gamma distributions whose parameters fluctuate from shower to shower."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.simulators.materials import EffectiveMedium

__all__ = ["LongitudinalModel", "Profiles", "draw_profiles", "longitudinal_model"]

_LARGEST_SIGMA = 0.5
"""The fitted widths diverge at low energy; no width of a logarithm is taken above this."""
_SMALLEST_ALPHA = 1.1
"""Below 1 the profile would fall from the very front."""
_SMALLEST_T = 0.3
_SMALLEST_LOG_Y = 1.5
"""Below this ln(E/E_c), reached only by the softer half of a pair, the formulas are held."""


@dataclass(frozen=True)
class LongitudinalModel:
    """Hold the distribution of (ln T, ln alpha) for given energies, each of shape (N,).

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
    r"""Hold the longitudinal profiles of single showers, each of shape (N,).

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
    r"""Return the distribution of the profile's parameters at some energies.

    With :math:`y = E / E_c`, for a homogeneous medium

    .. math::
        \langle\ln T\rangle &= \ln(\ln y - 0.812) &
        \sigma(\ln T) &= (-1.4 + 1.26 \ln y)^{-1} \\
        \langle\ln\alpha\rangle &= \ln(0.81 + (0.458 + 2.26 / Z) \ln y) &
        \sigma(\ln\alpha) &= (-0.58 + 0.86 \ln y)^{-1}

    and :math:`\rho = 0.705 - 0.023 \ln y`. For a sampling calorimeter T changes by
    :math:`-0.55 / F_S - 0.69 (1 - e/mip)`, alpha by :math:`-0.476 / F_S`, and the widths and
    the correlation are :math:`(-2.5 + 1.25 \ln y)^{-1}`, :math:`(-0.82 + 0.79 \ln y)^{-1}` and
    :math:`0.784 - 0.023 \ln y`.

    References:
        Grindhammer and Peters, hep-ex/0001020, Eq. (2), appendices A.1.2 and A.2.2.

    Arguments:
        medium: The medium.
        energy: Energies of the electrons [MeV], shape (N,).
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

    Returns:
        One profile per energy of the model. Its ``tau_per_depth`` scales depths so that tau is 1
        at the maximum of the mean shower and follows each shower's own centre of gravity
        (hep-ex/0001020, appendix A.1.4).
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
