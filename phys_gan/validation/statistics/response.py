"""Mean response and resolution of E_tot/E_inc as functions of the incident energy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.files import finite
from phys_gan.validation.statistics.weighting import Weights, effective_size, taken, variance

__all__ = ["EnergyBin", "Fit", "ResponseCurve", "energy_edges", "fit_resolution", "response_curve"]

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
    fourth = max(0.0, float(np.average((response - mean) ** 4, weights=weights)))
    # Var(s^2) = (mu_4 - sigma^4 (n - 3)/(n - 1)) / n, and s = sqrt(s^2).
    of_square = max(0.0, (fourth - sigma**4 * (n - 3) / (n - 1)) / n)
    sigma_error = of_square**0.5 / (2 * sigma) if sigma > 0 else 0.0
    inverse = float(np.average(1 / energy, weights=weights))
    return EnergyBin(
        energy=1 / inverse if inverse > 0 else float(np.sqrt(edges.prod())),
        n=count,
        mean=mean,
        mean_error=sigma / n**0.5,
        resolution=sigma / mean if mean > 0 else float("nan"),
        resolution_error=sigma_error / mean if mean > 0 else float("nan"),
    )
