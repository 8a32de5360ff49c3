"""Distances between known densities, and the optimum of the game that a GAN plays on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from phys_gan.errors import DataError, RangeError
from phys_gan.toys.mixture import Mixture

__all__ = [
    "gaussian_kl",
    "jensen_shannon",
    "kullback_leibler",
    "optimal_discriminator",
    "optimal_value",
]

_REACH = 12.0
"""Beyond so many sigma from all centres a density is below 1e-31 of its height."""
_STEPS = 32
"""Points of the quadrature per sigma of the narrower mixture."""


def gaussian_kl(mean_p: float, sigma_p: float, mean_q: float, sigma_q: float) -> float:
    r"""Return the Kullback-Leibler divergence of two Gaussians in one dimension, in nats.

    .. math:: \mathrm{KL}(p \,\|\, q) = \ln\frac{\sigma_q}{\sigma_p}
        + \frac{\sigma_p^2 + (\mu_p - \mu_q)^2}{2 \sigma_q^2} - \frac{1}{2}

    Arguments:
        mean_p: Mean of p.
        sigma_p: Standard deviation of p.
        mean_q: Mean of q.
        sigma_q: Standard deviation of q.

    Raises:
        RangeError: A standard deviation is not positive.

    Example:
        >>> gaussian_kl(0.0, 1.0, 2.0, 1.0)
        2.0
    """
    if not (sigma_p > 0 and sigma_q > 0):
        raise RangeError(
            f"the standard deviations {sigma_p:g} and {sigma_q:g} are not both positive",
            remedy="give positive ones",
            value=(sigma_p, sigma_q),
        )
    squares = (sigma_p**2 + (mean_p - mean_q) ** 2) / (2 * sigma_q**2)
    return float(np.log(sigma_q / sigma_p) + squares - 0.5)


def kullback_leibler(p: Mixture, q: Mixture) -> float:
    r"""Return :math:`\mathrm{KL}(p \,\|\, q) = \int p \ln(p/q)\,dx` in nats, by quadrature.

    Arguments:
        p: A mixture in one dimension.
        q: Another.

    Raises:
        DataError: A mixture has more than one dimension.
    """
    points, step = _grid(p, q)
    log_p, log_q = p.log_density(points), q.log_density(points)
    return float(step * np.sum(np.exp(log_p) * (log_p - log_q)))


def jensen_shannon(p: Mixture, q: Mixture) -> float:
    r"""Return the Jensen-Shannon divergence of two mixtures in one dimension, in nats.

    .. math:: \mathrm{JS}(p, q) = \tfrac12 \left[\mathrm{KL}(p \,\|\, m)
        + \mathrm{KL}(q \,\|\, m)\right], \qquad m = \tfrac12 (p + q)

    between 0 and :math:`\ln 2`, by the trapezoidal rule, which converges exponentially for smooth
    densities that vanish at both ends.

    Arguments:
        p: A mixture in one dimension.
        q: Another.

    Raises:
        DataError: A mixture has more than one dimension.

    Example:
        >>> far = jensen_shannon(Mixture([[-50.0]], 1.0), Mixture([[50.0]], 1.0))
        >>> round(float(far / np.log(2)), 12)
        1.0
    """
    points, step = _grid(p, q)
    logs = p.log_density(points), q.log_density(points)
    middle = np.logaddexp(*logs) - np.log(2)
    parts = [float(np.sum(np.exp(log) * (log - middle))) for log in logs]
    return step * sum(parts) / 2


def optimal_discriminator(p: Mixture, q: Mixture, points: ArrayLike) -> NDArray[np.float64]:
    r"""Return the best that any discriminator can say of points, shape (N,).

    .. math:: D^*(x) = \frac{p(x)}{p(x) + q(x)}

    It is the maximum of the value of the game for a fixed generator, and of any other loss whose
    optimum is a function of the ratio of densities.

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661,
        proposition 1, equation 2

    Arguments:
        p: Density of the data.
        q: Density of the generator.
        points: Points, shape (N, d).

    Raises:
        DataError: The points do not have the shape (N, d).

    Example:
        >>> same = Mixture([[0.0]], 1.0)
        >>> optimal_discriminator(same, same, [[0.3]]).tolist()
        [0.5]
    """
    return np.asarray(expit(p.log_density(points) - q.log_density(points)), np.float64)


def optimal_value(p: Mixture, q: Mixture) -> float:
    r"""Return the value of the game with the optimal discriminator, in one dimension.

    .. math:: V(D^*, G) = E_p[\ln D^*] + E_q[\ln(1 - D^*)] = 2\,\mathrm{JS}(p, q) - 2 \ln 2

    At the optimum of the game, p = q, it is :math:`-2 \ln 2 = -1.386`.

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661,
        theorem 1, equations 5 and 6

    Arguments:
        p: Density of the data.
        q: Density of the generator.

    Raises:
        DataError: A mixture has more than one dimension.
    """
    return 2 * jensen_shannon(p, q) - 2 * float(np.log(2))


def _grid(p: Mixture, q: Mixture) -> tuple[NDArray[np.float64], float]:
    """Return the points of the quadrature, shape (n, 1), and their distance."""
    for mixture in (p, q):
        if mixture.n_dimensions != 1:
            raise DataError(
                f"a quadrature over {mixture.n_dimensions} dimensions is not offered",
                remedy="give mixtures in one dimension",
                value=mixture.n_dimensions,
                constraint=1,
            )
    low = min(float(m.centres.min()) - _REACH * m.sigma for m in (p, q))
    high = max(float(m.centres.max()) + _REACH * m.sigma for m in (p, q))
    count = int(np.ceil((high - low) / min(p.sigma, q.sigma) * _STEPS)) + 1
    points, step = np.linspace(low, high, count, retstep=True)
    return points[:, np.newaxis], float(step)
