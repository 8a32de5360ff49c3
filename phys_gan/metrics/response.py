"""Mean response and resolution of E_tot/E_inc as functions of the incident energy.

The width of a response that has tails.

Whether a measured quantity follows a condition over its whole range.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from phys_gan.files import finite
from phys_gan.metrics.statistics import Weights, effective_size, mean_and_error, taken, variance

_MAX_BINS = 12
_MOST_DISCRETE = 16
_MIN_EVENTS = 50


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

    def at(self, energy: NDArray[np.float64]) -> NDArray[np.float64]:
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

    def array(self, name: str) -> NDArray[np.float64]:
        """Return a field of all bins, shape (n_bins,)."""
        return np.array([getattr(entry, name) for entry in self.bins], np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON; what is not defined becomes None."""
        found: dict[str, Any] = finite(asdict(self))
        return found


def energy_edges(energy: NDArray[np.float64]) -> NDArray[np.float64]:
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
    if len(unique) <= _MOST_DISCRETE and len(energy) >= 20 * len(unique):
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
    energy: NDArray[np.float64],
    response: NDArray[np.float64],
    edges: NDArray[np.float64],
    weights: Weights = None,
) -> ResponseCurve:
    """Return mean response and resolution in bins of incident energy.

    Arguments:
        energy: Incident energies [MeV], shape (N,).
        response: E_tot/E_inc, shape (N,).
        edges: Bin edges [MeV]; bins are half-open.
        weights: Weights of the events, shape (N,).
    """
    place = np.searchsorted(edges, energy, side="right") - 1
    bins = tuple(
        _energy_bin(
            energy[place == i], response[place == i], edges[i : i + 2], taken(weights, place == i)
        )
        for i in range(len(edges) - 1)
    )
    curve = ResponseCurve(tuple(edges.tolist()), bins, fit_resolution(bins), np.nan, np.nan)
    mean, error = curve.array("mean"), curve.array("mean_error")
    good = np.isfinite(mean) & (error > 0)
    if not good.any():
        return curve
    average = np.average(mean[good], weights=error[good] ** -2)
    worst = np.argmax(np.abs(mean[good] / average - 1))
    return ResponseCurve(
        curve.edges,
        bins,
        curve.fit,
        float(abs(mean[good][worst] / average - 1)),
        float(error[good][worst] / average),
    )


def fit_resolution(bins: tuple[EnergyBin, ...]) -> Fit:
    r"""Fit :math:`(\sigma/E)^2 = a^2 / E + b^2`, which is linear in a^2 and b^2.

    A weighted least-squares fit in closed form, so it cannot fail to converge. A term that comes
    out with a negative square is 0 and the other is fitted alone; its error is then the square
    root of the error of its square. NaN with fewer than two bins.
    """
    usable = [b for b in bins if b.resolution > 0 and b.resolution_error > 0]
    if len(usable) < 2:
        return Fit(*[float("nan")] * 5)
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
    return Fit(a, a_error, b, b_error, chi2 / ndf if ndf else float("nan"))


def _energy_bin(
    energy: NDArray[np.float64],
    response: NDArray[np.float64],
    edges: NDArray[np.float64],
    weights: Weights,
) -> EnergyBin:
    count, n = len(energy), effective_size(len(energy), weights)
    if n < 2:
        return EnergyBin(float(np.sqrt(edges.prod())), count, *[float("nan")] * 4)
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
        resolution=sigma / mean if mean > 0 else float("nan"),
        resolution_error=sigma_error / mean if mean > 0 else float("nan"),
    )


_GROUPS = 40
_MIN_VALUES = 10


def rms90(values: NDArray[np.float64], weights: Weights = None) -> float:
    """Return RMS90, the standard deviation in the shortest interval with 90 % of the values.

    M. A. Thomson, Particle flow calorimetry and the PandoraPFA algorithm, arXiv:0907.3577. Of a
    Gaussian distribution it is 0.789 standard deviations.

    Arguments:
        values: Finite values, shape (n,); of fewer than two the width is 0.
        weights: Their weights, none of them negative.
    """
    if len(values) < 2:
        return 0.0
    if weights is not None:
        return _weighted(values, weights)
    ordered = np.sort(values)
    inside = max(2, int(np.ceil(0.9 * len(ordered))))
    first = int(np.argmin(ordered[inside - 1 :] - ordered[: len(ordered) - inside + 1]))
    return float(ordered[first : first + inside].std())


def _weighted(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    ordered, own = values[order], weights[order]
    reached = np.cumsum(own)
    before = reached - own
    # From each value to the first one at which 90 % of the weights are inside.
    last = np.searchsorted(reached, before + 0.9 * reached[-1] * (1 - 1e-12))
    starts = np.flatnonzero(last < len(ordered))
    first = starts[np.argmin(ordered[last[starts]] - ordered[starts])]
    inside = slice(first, last[first] + 1)
    return float(variance(ordered[inside], own[inside]) ** 0.5)


def rms90_error(values: NDArray[np.float64], weights: Weights = None) -> float:
    """Return the standard error of RMS90, from its spread over up to 40 groups of values.

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


_ERRORS = 2.0

Values = NDArray[np.float64]


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

    mean: Values
    spread: Values
    error: Values
    defined: NDArray[np.int64]
    rises: Values
    rise_errors: Values
    whole: float
    whole_error: float
    spearman: float

    @property
    def falls(self) -> NDArray[np.int64]:
        """The steps that fall by more than two standard errors, by number."""
        return np.flatnonzero(self.rises < -_ERRORS * self.rise_errors)

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
        return self.whole > _ERRORS * self.whole_error


def follow(samples: Values, period: float | None = None, start: float = 0.0) -> Followed:
    """Follow a response along a ramp.

    All steps have the same latents, so two steps are compared event by event: what differs between
    latents, which is most of the spread, leaves the difference.

    Arguments:
        samples: The response of each event, (S, N), S >= 2; NaN where it is not defined.
        period: Of a response that is an angle: its mean is that of directions, and it is continued
            from each step to the nearest value at the next.
        start: Near which value an angle begins.
    """
    known = np.isfinite(samples)
    defined = known.sum(axis=1)
    if period is None:
        mean = np.array([_mean(row[k]) for row, k in zip(samples, known, strict=True)])
        residuals = samples - mean[:, None]
    else:
        turns = np.array(
            [_direction(row[k], period) for row, k in zip(samples, known, strict=True)]
        )
        residuals = _wrapped(samples - turns[:, None], period)
        mean = _continued(turns, period, start)
    spread = np.array([_spread(row[k]) for row, k in zip(residuals, known, strict=True)])
    differences = _wrapped(np.diff(samples, axis=0), period)
    rises, rise_errors = np.array([_with_error(row) for row in differences]).T
    if period is None:
        whole, whole_error = _with_error(samples[-1] - samples[0])
    else:
        # More than a period may lie between the ends: only the sum of the steps knows.
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


def spearman(means: Values) -> float:
    """Return the rank correlation of values with their order; NaN where fewer than two differ.

    What is not defined is left out.

    Example:
        >>> spearman(np.array([1.0, 2.0, 4.0])), spearman(np.array([3.0, 2.0, 1.0]))
        (1.0, -1.0)
    """
    ranks = rankdata(means[np.isfinite(means)])
    if len(ranks) < 2 or np.ptp(ranks) == 0:
        return float("nan")
    return round(float(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]), 12)


def _mean(values: Values) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _direction(values: Values, period: float) -> float:
    """Return the mean direction, from minus to plus half a period."""
    if not len(values):
        return float("nan")
    turns = np.exp(2j * np.pi * values / period)
    return float(np.angle(turns.mean()) * period / (2 * np.pi))


def _spread(residuals: Values) -> float:
    if len(residuals) < 2:
        return float("nan")
    return float(np.sqrt(np.sum(residuals**2) / (len(residuals) - 1)))


def _with_error(differences: Values) -> tuple[float, float]:
    """Return the mean of what is defined and its standard error."""
    known = differences[np.isfinite(differences)]
    if len(known) < 2:
        return float("nan"), float("nan")
    return float(known.mean()), float(known.std(ddof=1) / np.sqrt(len(known)))


def _wrapped(values: Values, period: float | None) -> Values:
    """Bring differences of angles to within half a period of zero."""
    if period is None:
        return values
    return np.asarray((values + period / 2) % period - period / 2, np.float64)


def _continued(turns: Values, period: float, start: float) -> Values:
    """Continue angles without jumps, the first of them near ``start``."""
    known = np.isfinite(turns)
    result = turns.copy()
    if known.any():
        line = np.unwrap(turns[known], period=period)
        result[known] = line + period * np.round((start - line[0]) / period)
    return result
