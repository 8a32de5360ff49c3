"""Response: to the incident energy in bins, with resolution; and to any condition along a ramp.

:func:`response_curve` gives mean and resolution of E_tot/E_inc, :func:`rms90` the width of a
response that has tails, :func:`follow` the response along a ramp of a condition.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from phys_gan.files import finite
from phys_gan.metrics.statistics import (
    Floats,
    Weights,
    effective_size,
    mean_and_error,
    taken,
    variance,
)

_NAN = float("nan")

_MAX_BINS = 12
_MAX_DISCRETE = 16
_MIN_EVENTS = 50
_GROUPS = 40
_MIN_VALUES = 10
_SIGNIFICANT = 2.0
"""Standard errors beyond which a step of a ramp rises or falls."""


@dataclass(frozen=True)
class EnergyBin:
    """Response in one bin of incident energy.

    Attributes:
        energy: Energy [MeV] at which the resolution of the bin belongs, 1 / <1/E_inc>: the
            stochastic term a^2/E averages to a^2 <1/E>.
        n: Number of events, of which the effective one rules the errors of weighted events.
        mean: Mean of E_tot/E_inc.
        mean_error: Its statistical error.
        resolution: Standard deviation of E_tot/E_inc over its mean.
        resolution_error: Its statistical error, from the fourth moment.
    """

    energy: float
    n: int
    mean: float
    mean_error: float
    resolution: float
    resolution_error: float


@dataclass(frozen=True)
class Fit:
    r"""Fit of :math:`\sigma/E = a/\sqrt{E/\mathrm{GeV}} \oplus b`.

    Attributes:
        a: Stochastic term.
        a_error: Its error.
        b: Constant term.
        b_error: Its error.
        chi2_ndf: Chi-square per degree of freedom; NaN without degrees of freedom.
    """

    a: float
    a_error: float
    b: float
    b_error: float
    chi2_ndf: float

    def at(self, energy: Floats) -> Floats:
        """Return the fitted resolution at energies [MeV]."""
        return np.hypot(self.a / np.sqrt(energy / 1000), self.b)


@dataclass(frozen=True)
class ResponseCurve:
    """Response of one sample.

    Attributes:
        edges: Edges of the bins of incident energy [MeV].
        bins: One entry per bin.
        fit: Fit of the resolution.
        linearity: Largest relative deviation of a bin's mean from the mean of all bins, weighted
            by their errors.
        linearity_error: The statistical error of that bin's deviation.
    """

    edges: tuple[float, ...]
    bins: tuple[EnergyBin, ...]
    fit: Fit
    linearity: float
    linearity_error: float

    def array(self, name: str) -> Floats:
        """Return a field of all bins, shape (n_bins,)."""
        return np.array([getattr(entry, name) for entry in self.bins], np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON; what is not defined becomes None."""
        found: dict[str, Any] = finite(asdict(self))
        return found


def energy_edges(energy: Floats) -> Floats:
    """Choose bins of incident energy [MeV] from those of the reference.

    Few discrete energies get one bin each. Otherwise up to 12 bins are regular in the logarithm
    when the energies span more than a factor 5, else linear, and neighbours are joined until
    each holds at least 50 events (5 % of all, when those are fewer).

    Returns:
        Edges; the last one lies just above the largest energy.
    """
    unique = np.unique(energy)
    if len(unique) == 1:
        return np.array([unique[0] * 0.999, unique[0] * 1.001])
    if len(unique) <= _MAX_DISCRETE and len(energy) >= 20 * len(unique):
        middles = np.sqrt(unique[1:] * unique[:-1])
        return np.concatenate([[unique[0] * 0.999], middles, [unique[-1] * 1.001]])
    low, high = unique[0], np.nextafter(unique[-1], np.inf)
    spacing = np.geomspace if high > 5 * low else np.linspace
    edges = spacing(low, high, _MAX_BINS + 1)
    edges[0], edges[-1] = low, high
    needed = min(_MIN_EVENTS, max(2, len(energy) // 20))
    kept = [edges[0]]
    inside = np.histogram(energy, edges)[0]
    waiting = 0
    for count, edge in zip(inside, edges[1:], strict=True):
        waiting += int(count)
        if waiting >= needed:
            kept.append(edge)
            waiting = 0
    if waiting:
        # A thin last bin joins its neighbour.
        kept = [*kept[:-1], edges[-1]] if len(kept) > 1 else [kept[0], edges[-1]]
    return np.array(kept)


def response_curve(
    energy: Floats,
    response: Floats,
    edges: Floats,
    weights: Weights = None,
) -> ResponseCurve:
    """Return mean response and resolution in bins of incident energy.

    From incident energies [MeV], E_tot/E_inc and weights, each (N,), in half-open bins.
    """
    place = np.searchsorted(edges, energy, side="right") - 1
    bins = tuple(
        _energy_bin(
            energy[place == i], response[place == i], edges[i : i + 2], taken(weights, place == i)
        )
        for i in range(len(edges) - 1)
    )
    curve = ResponseCurve(tuple(edges.tolist()), bins, fit_resolution(bins), _NAN, _NAN)
    mean, error = curve.array("mean"), curve.array("mean_error")
    good = np.isfinite(mean) & (error > 0)
    if not good.any():
        return curve
    mean, error = mean[good], error[good]
    average = np.average(mean, weights=error**-2)
    deviations = np.abs(mean / average - 1)
    worst = np.argmax(deviations)
    return replace(
        curve,
        linearity=float(deviations[worst]),
        linearity_error=float(error[worst] / average),
    )


def fit_resolution(bins: tuple[EnergyBin, ...]) -> Fit:
    r"""Fit :math:`(\sigma/E)^2 = a^2 / E + b^2`, which is linear in a^2 and b^2.

    A weighted least-squares fit in closed form, so it cannot fail to converge. A term that comes
    out with a negative square is 0 and the other is fitted alone; its error is then the square
    root of the error of its square. NaN with fewer than two bins.
    """
    usable = [b for b in bins if b.resolution > 0 and b.resolution_error > 0]
    if len(usable) < 2:
        return Fit(*[_NAN] * 5)
    x = np.array([1000 / b.energy for b in usable])
    y = np.array([b.resolution**2 for b in usable])
    sigma = np.array([2 * b.resolution * b.resolution_error for b in usable])
    design = np.stack([x, np.ones_like(x)], axis=1) / sigma[:, None]
    covariance = np.linalg.pinv(design.T @ design)
    squares = covariance @ design.T @ (y / sigma)
    if squares.min() < 0:
        kept = int(np.argmax(squares))
        column = design[:, kept]
        squares = np.zeros(2)
        squares[kept] = column @ (y / sigma) / (column @ column)
    chi2 = float(np.sum((y / sigma - design @ squares) ** 2))
    ndf = len(usable) - 2
    terms = np.sqrt(squares)
    widths = np.sqrt(np.diag(covariance))
    errors = np.where(squares > 0, widths / (2 * np.where(terms > 0, terms, 1)), np.sqrt(widths))
    a, b = terms.tolist()
    a_error, b_error = errors.tolist()
    return Fit(a, a_error, b, b_error, chi2 / ndf if ndf else _NAN)


def _energy_bin(
    energy: Floats,
    response: Floats,
    edges: Floats,
    weights: Weights,
) -> EnergyBin:
    count, n = len(energy), effective_size(len(energy), weights)
    if n < 2:
        return EnergyBin(float(np.sqrt(edges.prod())), count, *[_NAN] * 4)
    mean = float(np.average(response, weights=weights))
    sigma = (variance(response, weights) * n / (n - 1)) ** 0.5
    mean_error = sigma / n**0.5
    fourth = float(np.average((response - mean) ** 4, weights=weights))
    # Var(s^2) = (mu_4 - sigma^4 (n - 3)/(n - 1)) / n, and s = sqrt(s^2).
    of_square = max(0.0, (fourth - sigma**4 * (n - 3) / (n - 1)) / n)
    if weights is not None:
        # Weights need not be independent of the response: both are ratios of sums.
        mean_error = float(mean_and_error(response, weights)[1])
        of_square = float(mean_and_error((response - mean) ** 2, weights)[1]) ** 2
    sigma_error = of_square**0.5 / (2 * sigma) if sigma > 0 else 0.0
    inverse = float(np.average(1 / energy, weights=weights))
    return EnergyBin(
        energy=1 / inverse if inverse > 0 else float(np.sqrt(edges.prod())),
        n=count,
        mean=mean,
        mean_error=mean_error,
        resolution=sigma / mean if mean > 0 else _NAN,
        resolution_error=sigma_error / mean if mean > 0 else _NAN,
    )


def rms90(values: Floats, weights: Weights = None) -> float:
    """Return RMS90, the standard deviation in the shortest interval with 90 % of the values.

    M. A. Thomson, Particle flow calorimetry and the PandoraPFA algorithm, arXiv:0907.3577. Of a
    Gaussian distribution it is 0.789 standard deviations.

    Arguments:
        values: Finite values, shape (n,); of fewer than two the width is 0.
        weights: Their weights, none of them negative.
    """
    if len(values) < 2:
        return 0.0
    if weights is None:
        ordered = np.sort(values)
        n_inside = max(2, int(np.ceil(0.9 * len(ordered))))
        first = int(np.argmin(ordered[n_inside - 1 :] - ordered[: len(ordered) - n_inside + 1]))
        return float(ordered[first : first + n_inside].std())
    order = np.argsort(values)
    ordered, own = values[order], weights[order]
    reached = np.cumsum(own)
    # From each value to the first one at which 90 % of the weights are inside.
    last = np.searchsorted(reached, reached - own + 0.9 * reached[-1] * (1 - 1e-12))
    starts = np.flatnonzero(last < len(ordered))
    narrowest = starts[np.argmin(ordered[last[starts]] - ordered[starts])]
    inside = slice(narrowest, last[narrowest] + 1)
    return float(variance(ordered[inside], own[inside]) ** 0.5)


def rms90_error(values: Floats, weights: Weights = None) -> float:
    """Return the standard error of RMS90, from up to 40 groups of values.

    Arguments:
        values: Values in random order, shape (n,); of fewer than 20 the error is infinite.
        weights: As in :func:`rms90`.
    """
    n_groups = min(_GROUPS, len(values) // _MIN_VALUES)
    if n_groups < 2:
        return float("inf")
    parts = [np.arange(start, len(values), n_groups) for start in range(n_groups)]
    groups = [rms90(values[part], taken(weights, part)) for part in parts]
    return float(np.std(groups, ddof=1) / np.sqrt(n_groups))


@dataclass(frozen=True, eq=False)
class Followed:
    """The response along a ramp of S steps, each measured on the same N latents.

    Attributes:
        mean: Mean response at each step, (S,); NaN where no event has one.
        spread: Standard deviation over the latents, (S,).
        error: Standard error of the mean, (S,).
        defined: Events that have a response, (S,).
        rises: Mean difference between neighbouring steps, (S - 1,).
        rise_errors: Their standard errors, of pairs of events with the same latents, (S - 1,).
        whole: Mean difference between the last and the first step.
        whole_error: Its standard error.
        spearman: Spearman's rank correlation between the means and the steps.
    """

    mean: Floats
    spread: Floats
    error: Floats
    defined: NDArray[np.int64]
    rises: Floats
    rise_errors: Floats
    whole: float
    whole_error: float
    spearman: float

    @property
    def falls(self) -> NDArray[np.int64]:
        """The steps that fall by more than two standard errors, by number."""
        return np.flatnonzero(self.rises < -_SIGNIFICANT * self.rise_errors)

    @property
    def measured(self) -> bool:
        """Whether there is a response at every step, and a difference between all neighbours."""
        return bool(np.isfinite(self.mean).all() and np.isfinite(self.rises).all())

    @property
    def monotonic(self) -> bool:
        """Whether it is measured everywhere and never falls by more than two standard errors."""
        return self.measured and not len(self.falls)

    @property
    def responds(self) -> bool:
        """Whether it is larger at the end than at the beginning by more than two errors."""
        return self.whole > _SIGNIFICANT * self.whole_error


def follow(samples: Floats, period: float | None = None, start: float = 0.0) -> Followed:
    """Follow a response along a ramp.

    All steps have the same latents, so two steps are compared event by event: what differs between
    latents, which is most of the spread, leaves the difference.

    Arguments:
        samples: The response of each event, (S, N), S >= 2; NaN where it is not defined.
        period: Of a response that is an angle: its mean is that of directions, and it is continued
            from each step to the nearest value at the next.
        start: Near which value an angle begins.
    """
    defined = np.isfinite(samples).sum(axis=1)
    if period is None:
        mean = np.array([row.mean() if len(row) else _NAN for row in _known(samples)])
        residuals = samples - mean[:, None]
    else:
        directions = np.array([_direction(row, period) for row in _known(samples)])
        residuals = _wrapped(samples - directions[:, None], period)
        mean = _continued(directions, period, start)
    squares = [np.sum(row**2) for row in _known(residuals)]
    spread = np.sqrt(np.where(defined > 1, squares, _NAN) / np.maximum(defined - 1, 1))
    differences = _wrapped(np.diff(samples, axis=0), period)
    rises, rise_errors = np.array([_mean_and_error(row) for row in _known(differences)]).T
    if period is None:
        (difference,) = _known(samples[-1:] - samples[:1])
        whole, whole_error = _mean_and_error(difference)
    else:
        # More than a period may lie between the ends: only the sum of the steps counts them.
        whole, whole_error = float(rises.sum()), float(np.sqrt(np.sum(rise_errors**2)))
    return Followed(
        mean,
        spread,
        spread / np.sqrt(np.maximum(defined, 1)),
        defined,
        rises,
        rise_errors,
        whole,
        whole_error,
        spearman(mean),
    )


def spearman(means: Floats) -> float:
    """Return the rank correlation of values with their order; NaN where fewer than two differ.

    What is not defined is left out.

    Example:
        >>> spearman(np.array([1.0, 2.0, 4.0])), spearman(np.array([3.0, 2.0, 1.0]))
        (1.0, -1.0)
    """
    ranks = rankdata(means[np.isfinite(means)])
    if len(ranks) < 2 or np.ptp(ranks) == 0:
        return _NAN
    return round(float(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]), 12)


def _known(rows: Floats) -> list[Floats]:
    """Return what is defined in each row."""
    return [row[np.isfinite(row)] for row in rows]


def _direction(values: Floats, period: float) -> float:
    """Return the mean direction, from minus to plus half a period."""
    if not len(values):
        return _NAN
    return float(np.angle(np.exp(2j * np.pi * values / period).mean()) * period / (2 * np.pi))


def _mean_and_error(values: Floats) -> tuple[float, float]:
    if len(values) < 2:
        return _NAN, _NAN
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _wrapped(values: Floats, period: float | None) -> Floats:
    """Bring differences of angles to within half a period of zero."""
    if period is None:
        return values
    return np.asarray((values + period / 2) % period - period / 2, np.float64)


def _continued(directions: Floats, period: float, start: float) -> Floats:
    """Continue angles without jumps, the first of them near ``start``."""
    known = np.isfinite(directions)
    result = directions.copy()
    if known.any():
        line = np.unwrap(directions[known], period=period)
        result[known] = line + period * np.round((start - line[0]) / period)
    return result
