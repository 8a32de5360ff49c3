"""Toys: :class:`Mixture`, Gaussians of known density, and what is measured against it.

:data:`TOYS` are those that GANs are tried on in the literature, by the names of their detectors.
For two mixtures the divergences and the optimum of the game that a GAN plays are exact, in one
dimension by quadrature; for points :func:`count_modes` counts the modes that they hit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logsumexp

from phys_gan._version import __version__
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError, MissingError, RangeError
from phys_gan.events import Events
from phys_gan.randomness import stream

_BLOCK = 1 << 14
"""Points whose distances to all centres are in memory together."""


@dataclass(frozen=True, eq=False)
class Mixture:
    r"""Mix K round Gaussians of one width in d dimensions.

    .. math:: p(x) = \sum_{k=1}^{K} w_k\,(2\pi\sigma^2)^{-d/2}
        \exp\left(-\frac{|x - \mu_k|^2}{2\sigma^2}\right)

    Arguments:
        centres: The means :math:`\mu_k`, shape (K, d).
        sigma: Standard deviation of every Gaussian along every axis.
        weights: The fractions :math:`w_k`, shape (K,), normalised; equal ones when None.

    Raises:
        DataError: Centres or weights have a wrong shape or are not finite.
        RangeError: ``sigma`` or a weight is not positive.

    Example:
        >>> float(Mixture([[0.0]], sigma=1.0).density([[0.0]])[0])
        0.3989422804014327
    """

    centres: NDArray[np.float64]
    sigma: float
    weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        centres = np.array(self.centres, np.float64)
        if centres.ndim != 2 or not centres.size or not np.isfinite(centres).all():
            raise DataError(
                f"centres of shape {centres.shape} are not finite points",
                remedy="give at least one point, shape (K, d)",
                value=centres.shape,
            )
        if not (np.isfinite(self.sigma) and self.sigma > 0):
            raise RangeError(
                f"sigma = {self.sigma} is not positive and finite",
                remedy="give a positive number",
                value=self.sigma,
            )
        weights = np.ones(len(centres)) if self.weights is None else self.weights
        shares = np.array(weights, np.float64)
        if shares.shape != (len(centres),):
            raise DataError(
                f"weights have shape {shares.shape}, but there are {len(centres)} centres",
                remedy="give one weight per centre",
                value=shares.shape,
            )
        if not (np.isfinite(shares).all() and (shares > 0).all()):
            raise RangeError(
                f"a weight is {shares.min():g}",
                remedy="give positive weights, and leave out centres without any",
                value=float(shares.min()),
            )
        shares /= shares.sum()
        for array in (centres, shares):
            array.flags.writeable = False
        object.__setattr__(self, "centres", centres)
        object.__setattr__(self, "weights", shares)

    @property
    def n_modes(self) -> int:
        """Number of Gaussians, K."""
        return len(self.centres)

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates of a point, d."""
        return int(self.centres.shape[1])

    @property
    def shares(self) -> NDArray[np.float64]:
        """The normalised weights, shape (K,)."""
        assert self.weights is not None
        return self.weights

    def density(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return p at points of shape (N, d), shape (N,)."""
        return np.exp(self.log_density(points))

    def log_density(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return ln p at points of shape (N, d), shape (N,); finite also where p underflows."""
        constant = -self.n_dimensions / 2 * np.log(2 * np.pi * self.sigma**2)
        parts = [
            logsumexp(-squares / (2 * self.sigma**2), axis=1, b=self.shares) + constant
            for squares in self._squares(points)
        ]
        return np.concatenate([np.empty(0), *parts])

    def nearest(self, points: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the number of the centre nearest to each point and its distance, shapes (N,)."""
        parts = [(squares.argmin(axis=1), squares.min(axis=1)) for squares in self._squares(points)]
        modes = [np.empty(0, np.int64), *(mode for mode, _ in parts)]
        return np.concatenate(modes), np.sqrt(np.concatenate([np.empty(0), *(s for _, s in parts)]))

    def sample(self, n: int, seed: int) -> NDArray[np.float64]:
        """Draw n independent points, shape (n, d); the same seed gives the same ones.

        Raises:
            RangeError: ``n`` is less than 1.
        """
        if n < 1:
            raise RangeError(f"n = {n} is less than 1", remedy="ask for a point", value=n)
        random = stream(seed, "mixture")
        modes = random.choice(self.n_modes, n, p=self.shares)
        return self.centres[modes] + self.sigma * random.standard_normal((n, self.n_dimensions))

    def _squares(self, points: ArrayLike) -> Iterator[NDArray[np.float64]]:
        """Yield the squared distances of blocks of points to all centres, shape (n, K)."""
        array = np.asarray(points, np.float64)
        if array.ndim != 2 or array.shape[1] != self.n_dimensions:
            raise DataError(
                f"points have shape {array.shape}, not (N, {self.n_dimensions})",
                remedy="give one row per point and one column per coordinate",
                value=array.shape,
            )
        for start in range(0, len(array), _BLOCK):
            # Differences, not |x|^2 - 2 x mu + |mu|^2: a mode is far narrower than it is far away.
            squares = np.zeros((min(_BLOCK, len(array) - start), self.n_modes))
            for x, mu in zip(array[start : start + _BLOCK].T, self.centres.T, strict=True):
                squares += (x[:, np.newaxis] - mu) ** 2
            yield squares


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
    """Return the density of a toy; None for other detectors and toys of the user.

    Example:
        >>> truth_of(load_detector("toy-ring")).n_modes
        8
    """
    mixture = TOYS.get(detector.name) if detector.is_toy else None
    return mixture if mixture and mixture.n_dimensions == detector.n_cells else None


def simulate_toy(name: str, n: int, seed: int = 0) -> Events:
    """Draw points from a toy: events without conditions, one cell per coordinate.

    Raises:
        MissingError: The name is not one of :data:`TOYS`.
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


# Divergences, and the optimum of the game

_REACH = 12.0
"""Beyond so many sigma from all centres a density is below 1e-31 of its height."""
_POINTS_PER_SIGMA = 32
"""Points of the quadrature per sigma of the narrower mixture."""


def gaussian_kl(mean_p: float, sigma_p: float, mean_q: float, sigma_q: float) -> float:
    r"""Return the Kullback-Leibler divergence of two Gaussians in one dimension, in nats.

    .. math:: \mathrm{KL}(p \,\|\, q) = \ln\frac{\sigma_q}{\sigma_p}
        + \frac{\sigma_p^2 + (\mu_p - \mu_q)^2}{2 \sigma_q^2} - \frac{1}{2}

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
    return step * sum(float(np.sum(np.exp(log) * (log - middle))) for log in logs) / 2


def optimal_discriminator(p: Mixture, q: Mixture, points: ArrayLike) -> NDArray[np.float64]:
    r"""Return the output of the best discriminator at points of shape (N, d), shape (N,).

    .. math:: D^*(x) = \frac{p(x)}{p(x) + q(x)}

    for data of density p and a generator of density q. It maximises the value of the game for
    this generator, and any other loss whose optimum is a function of the ratio of densities.

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661,
        proposition 1, equation 2

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

    Raises:
        DataError: A mixture has more than one dimension.
    """
    return 2 * jensen_shannon(p, q) - 2 * float(np.log(2))


def _grid(p: Mixture, q: Mixture) -> tuple[NDArray[np.float64], float]:
    """Return the points of the quadrature, shape (n, 1), and their distance."""
    for mixture in (p, q):
        if mixture.n_dimensions != 1:
            raise DataError(
                f"there is no quadrature over {mixture.n_dimensions} dimensions",
                remedy="give mixtures in one dimension",
                value=mixture.n_dimensions,
                constraint=1,
            )
    low = min(float(m.centres.min()) - _REACH * m.sigma for m in (p, q))
    high = max(float(m.centres.max()) + _REACH * m.sigma for m in (p, q))
    count = int(np.ceil((high - low) / min(p.sigma, q.sigma) * _POINTS_PER_SIGMA)) + 1
    points, step = np.linspace(low, high, count, retstep=True)
    return points[:, np.newaxis], float(step)


# Modes

RADIUS = 3.0
"""Distance to the nearest centre, in units of sigma, up to which a point is of high quality."""


@dataclass(frozen=True)
class ModeCount:
    """The modes of a mixture that points hit.

    Attributes:
        modes_hit: Number of modes with at least one point of high quality.
        n_modes: Number of modes that there are.
        high_quality: Fraction of the points within 3 sigma of the nearest centre.
        reverse_kl: Divergence of the fractions of the modes among the points from the true ones,
            in nats.
    """

    modes_hit: int
    n_modes: int
    high_quality: float
    reverse_kl: float


def count_modes(points: ArrayLike, mixture: Mixture) -> ModeCount:
    r"""Count the modes that points hit.

    A point belongs to the mode with the nearest centre, and is of high quality within 3 sigma of
    it. A single such point hits a mode, so the count means nothing without the number of points,
    N: the published ones are of 2,500. Of points from a mixture of well separated modes itself
    the fraction :math:`1 - e^{-9/2} = 0.989` is of high quality in two dimensions, and 0.9973 in
    one. The reverse Kullback-Leibler divergence is that of the fractions :math:`q_k` of all
    points, of high quality or not, from the weights,

    .. math:: \mathrm{KL}(q \,\|\, w) = \sum_k q_k \ln\frac{q_k}{w_k},

    which is 0 when every mode has its fraction, and :math:`\ln K` when all points are in one of K
    equally frequent ones. The truth itself has on average :math:`(K - 1) / 2N`.

    References:
        PacGAN: The power of two samples in generative adversarial networks (Lin, Khetan, Fanti,
        Oh, 2017), https://arxiv.org/abs/1712.04086, section 4.1

    Raises:
        DataError: There are no points, or they do not have the shape (N, d).

    Example:
        >>> ring = TOYS["toy-ring"]
        >>> count_modes(ring.centres[[0, 0, 3, 3]], ring).modes_hit
        2
    """
    return summarise(tally_modes(points, mixture), mixture)


def tally_modes(points: ArrayLike, mixture: Mixture) -> NDArray[np.int64]:
    """Count the points by nearest mode, those within 3 sigma and those beyond, shape (2, K).

    Raises:
        DataError: There are no points, or they do not have the shape (N, d).
    """
    modes, distances = mixture.nearest(points)
    if not len(modes):
        raise DataError("there are no points to count", remedy="generate some")
    beyond = distances > RADIUS * mixture.sigma
    cells = np.bincount(modes + mixture.n_modes * beyond, minlength=2 * mixture.n_modes)
    return cells.reshape(2, mixture.n_modes)


def summarise(tally: NDArray[np.integer], mixture: Mixture) -> ModeCount:
    """Return the modes that points hit, from their tally, shape (2, K)."""
    fractions = tally.sum(axis=0) / tally.sum()
    hit = fractions > 0
    divergence = float(np.sum(fractions[hit] * np.log(fractions[hit] / mixture.shares[hit])))
    return ModeCount(
        modes_hit=int(np.count_nonzero(tally[0])),
        n_modes=mixture.n_modes,
        high_quality=float(tally[0].sum() / tally.sum()),
        # Rounding must not make a divergence negative.
        reverse_kl=max(0.0, divergence),
    )
