"""Energies of cells, and features of whole showers, as numbers for networks, and back.

Cells are logarithms, or normal scores among equivalent cells; features are normal scores. A normal
score is the quantile of a value, at the incident energy of its event, in the scale of a standard
normal distribution: quantile functions are tabulated at knots in t = ln E, and linear in between.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from torch import Tensor, nn

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError

# Cells times levels that are compared at once.
_MOST_COMPARED = 2**24
_MOST_KINDS = 5_000
# Keeps the slope of a square root at zero finite.
_EPSILON = 1e-4
_TOP = (1 + _EPSILON) ** 0.5 - _EPSILON**0.5


class CellMap(nn.Module, ABC):
    """Map energies of cells to numbers, 0 for an empty cell, and back."""

    @abstractmethod
    def fit(self, cells: NDArray[np.float32], t: NDArray[np.float64]) -> None:
        """Set scales from cells (N, n_cells) [MeV] of events at t = ln E (N,); some cell is hit."""

    @abstractmethod
    def encode(self, cells: Tensor, t: Tensor) -> Tensor:
        """Map energies (N, n_cells) [MeV] of events at t (N,) to numbers >= 0."""

    @abstractmethod
    def decode(self, numbers: Tensor, t: Tensor) -> Tensor:
        """Map numbers (N, n_cells) to energies [MeV]; a number of zero or below is an empty cell.

        Differentiable; large numbers stay finite.
        """


class LogarithmicCells(CellMap):
    r"""Encode a cell as :math:`\ln(1 + e / s) / \ln(1 + e_\mathrm{max} / s)`.

    Arguments:
        detector: The detector.
        soft_quantile: The scale s, as a quantile of the hits.
    """

    soft: Tensor
    top: Tensor

    def __init__(self, detector: Detector, soft_quantile: float) -> None:
        super().__init__()
        self.soft_quantile, self.threshold = soft_quantile, detector.threshold
        for name in ("soft", "top"):
            self.register_buffer(name, torch.ones(()))

    def fit(self, cells: NDArray[np.float32], t: NDArray[np.float64]) -> None:
        """Set the scale and the largest energy."""
        hits = cells[cells > self.threshold]
        self.soft.fill_(float(np.quantile(hits, self.soft_quantile)))
        self.top.fill_(float(hits.max()))

    def encode(self, cells: Tensor, t: Tensor) -> Tensor:
        """Map energies (N, n_cells) [MeV] to numbers >= 0."""
        return torch.log1p(cells / self.soft) / torch.log1p(self.top / self.soft)

    def decode(self, numbers: Tensor, t: Tensor) -> Tensor:
        """Map numbers (N, n_cells) to energies [MeV]."""
        numbers = numbers.clamp(0.0, 1.2)
        return self.soft * torch.expm1(numbers * torch.log1p(self.top / self.soft))


class ConditionalQuantiles(nn.Module):
    r"""Map features to normal scores by their quantile function at the event's energy.

    .. math:: z = \Phi^{-1}(F(v \mid t)), \qquad v = F^{-1}(\Phi(z) \mid t)

    The quantile function is tabulated at ``n_knots`` values of t = ln E and ``n_levels`` normal
    scores. Around each knot it is estimated from the nearest events after a local linear trend in t
    is subtracted, so that the width of the window does not widen the distribution.

    Arguments:
        n_features: Number of features F.
        n_knots: Number of energies K.
        n_levels: Number of quantile levels Q.
        reach: Outermost normal score; beyond it features stay at their extreme values.
    """

    knots: Tensor
    table: Tensor

    def __init__(
        self, n_features: int, n_knots: int = 12, n_levels: int = 49, reach: float = 3.0
    ) -> None:
        super().__init__()
        self.reach = reach
        self.register_buffer("knots", torch.linspace(0.0, 1.0, n_knots))
        self.register_buffer("table", torch.zeros(n_knots, n_features, n_levels))

    def fit(self, features: NDArray[np.float64], t: NDArray[np.float64]) -> None:
        """Tabulate the quantile functions of features (N, F) of events at t (N,)."""
        n_knots, n_features, n_levels = self.table.shape
        knots = np.quantile(t, np.linspace(0, 1, n_knots))
        # Where all events have one energy, knots slightly apart keep the formulas finite.
        knots = np.maximum.accumulate(knots + 1e-6 * np.arange(n_knots))
        levels = ndtr(np.linspace(-self.reach, self.reach, n_levels))
        window = max(len(t) * 2 // n_knots, min(len(t), 50))
        table = np.empty((n_knots, n_features, n_levels))
        for k, knot in enumerate(knots):
            distance = np.abs(t - knot)
            near = np.flatnonzero(distance <= np.partition(distance, window - 1)[window - 1])
            shift = t[near] - knot
            for f in range(n_features):
                values = features[near, f]
                table[k, f] = np.quantile(values - _slope(shift, values) * shift, levels)
        # The trend must not move point masses, such as empty layers, out of reach.
        table = np.clip(table, features.min(axis=0)[:, None], features.max(axis=0)[:, None])
        self.knots.copy_(torch.from_numpy(knots))
        self.table.copy_(torch.from_numpy(table))

    def to_scores(self, features: Tensor, t: Tensor) -> Tensor:
        """Map features (N, F) of events at t (N,) to normal scores within +-reach."""
        curves = self._curves(t)
        n_levels = curves.shape[-1]
        below = (curves < features.unsqueeze(-1)).sum(-1)
        not_above = (curves <= features.unsqueeze(-1)).sum(-1)
        low = (below - 1).clamp(0, n_levels - 2).unsqueeze(-1)
        left = curves.gather(-1, low).squeeze(-1)
        right = curves.gather(-1, low + 1).squeeze(-1)
        part = ((features - left) / (right - left).clamp_min(1e-30)).clamp(0, 1)
        position = low.squeeze(-1) + part
        # Within a point mass all levels are equivalent: take the middle one.
        tied = not_above - below > 1
        position = torch.where(tied, (below + not_above - 1) / 2, position)
        return position * (2 * self.reach / (n_levels - 1)) - self.reach

    def to_features(self, scores: Tensor, t: Tensor) -> Tensor:
        """Map normal scores (N, F) of events at t (N,) to features; differentiable."""
        n_levels = self.table.shape[-1]
        position = (scores.clamp(-self.reach, self.reach) + self.reach) * (
            (n_levels - 1) / (2 * self.reach)
        )
        low = position.detach().floor().long().clamp(0, n_levels - 2)
        part = position - low
        curves = self._curves(t)
        left = curves.gather(-1, low.unsqueeze(-1)).squeeze(-1)
        right = curves.gather(-1, low.unsqueeze(-1) + 1).squeeze(-1)
        return left + (right - left) * part

    def _curves(self, t: Tensor) -> Tensor:
        """Return the quantile function of each event, shape (N, F, Q)."""
        low, part = between(self.knots, t)
        part = part[:, None, None]
        return self.table[low] * (1 - part) + self.table[low + 1] * part


def between(knots: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Return the knot below each t, (N,), and the fraction of the way to the next one, 0 to 1.

    Beyond the outermost of the knots (K,) the fraction stays at 0 or 1.
    """
    low = (torch.searchsorted(knots, t.contiguous(), right=True) - 1).clamp(0, len(knots) - 2)
    part = (t - knots[low]) / (knots[low + 1] - knots[low])
    return low, part.clamp(0, 1)


def _slope(shift: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Return the least-squares slope; 0 where the events share one energy."""
    centred = shift - shift.mean()
    norm = float(centred @ centred)
    return float(centred @ values) / norm if norm > 1e-12 else 0.0


class ScoreCells(CellMap):
    r"""Encode a cell as the normal score of its energy among equivalent cells at this energy E.

    .. math:: y = \Phi^{-1}(F(e \mid E)) - \Phi^{-1}(p_0(E))

    with F the distribution of the energy of a cell and p_0 its probability to be empty. A cell is
    then a Gaussian that is censored at zero: the assumption of a censored likelihood holds for each
    cell by itself, and what is left to learn is how cells depend on each other.

    Cells that the symmetries of the detector exchange share a distribution, tabulated at
    ``n_knots`` values of ln E; levels are denser toward empty cells.

    Arguments:
        detector: The detector.
        n_knots: Incident energies K of the table.
        n_levels: Levels Q of the table.
        reach: Largest normal score of the table.

    Raises:
        ConfigError: The detector has more than 5,000 kinds of cells.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> cells = ScoreCells(load_detector("calogan"))
        >>> energies = np.random.default_rng(0).exponential(1, (400, 504)).astype(np.float32)
        >>> cells.fit(energies, np.linspace(0, 1, 400))
        >>> t = torch.linspace(0, 1, 400)
        >>> again = cells.decode(cells.encode(torch.from_numpy(energies), t), t).numpy()
        >>> bool(np.median(np.abs(again / energies - 1)) < 1e-4)
        True
    """

    orbits: Tensor
    knots: Tensor
    empty: Tensor
    table: Tensor

    def __init__(
        self, detector: Detector, n_knots: int = 12, n_levels: int = 65, reach: float = 3.7
    ) -> None:
        super().__init__()
        self.threshold, self.reach, self.n_levels = detector.threshold, reach, n_levels
        n_orbits = int(detector.orbits.max()) + 1
        if n_orbits > _MOST_KINDS:
            raise ConfigError(
                f"'{detector.name}' has {n_orbits:,} kinds of cells, too many for a table of each",
                remedy="set encoding.cells = 'logarithm', or train the recipe 'showers'",
                value=n_orbits,
                constraint=_MOST_KINDS,
            )
        # Not in the state, because they follow from the detector.
        self.register_buffer("orbits", torch.from_numpy(detector.orbits), persistent=False)
        self.register_buffer("knots", torch.linspace(0.0, 1.0, n_knots))
        self.register_buffer("empty", torch.zeros(n_knots, n_orbits))
        self.register_buffer("table", torch.zeros(n_knots, n_orbits, n_levels))

    def fit(self, cells: NDArray[np.float32], t: NDArray[np.float64]) -> None:
        """Tabulate the distribution of each kind of cell."""
        n_knots, n_orbits, _ = self.table.shape
        # Midway between knots with equal numbers of events and knots at equal distances.
        level = np.linspace(0, 1, n_knots)
        knots = (np.quantile(t, level) + t.min() + level * np.ptp(t)) / 2
        knots += 1e-6 * np.arange(n_knots)
        orbits = self.orbits.numpy()
        members = [np.flatnonzero(orbits == k) for k in range(n_orbits)]
        floor = float(np.log(cells[cells > self.threshold].min()))
        for k, knot in enumerate(knots):
            nearest = np.argsort(np.abs(t - knot), kind="stable")
            near = cells[nearest]
            for orbit, member in enumerate(members):
                values = near[:, member]
                start, curve = self._distribution(values, floor)
                self.empty[k, orbit] = start
                self.table[k, orbit] = torch.from_numpy(curve)
        self.knots.copy_(torch.from_numpy(knots))

    def _distribution(
        self, values: NDArray[np.float32], floor: float
    ) -> tuple[float, NDArray[np.float64]]:
        """Return the score of an empty cell and ln(energy) at each level.

        Arguments:
            values: Energies of equivalent cells (N, M), the nearest events first.
            floor: Logarithm of the smallest energy of any hit.
        """
        hit = values > self.threshold
        n, m = values.shape
        # As few events as the statistics allows, because the probability changes with energy.
        window = max(n // 40, min(n, 2000 // m, n // 10), 1)
        empty = 1 - (hit[:window].sum() + 0.5) / (window * m + 1)
        start = float(np.clip(ndtri(empty), -self.reach, self.reach - 0.5))
        scores = start + (self.reach - start) * np.linspace(0, 1, self.n_levels) ** 2
        least = float(ndtr(start))
        within = (ndtr(scores) - least) / (1 - least)
        count = np.cumsum(hit.sum(axis=1))
        if not count[-1]:
            return start, np.full(self.n_levels, floor)
        last = int(np.searchsorted(count, min(count[-1], max(400, int(count[window - 1])))))
        logs = np.sort(np.log(values[: last + 1][hit[: last + 1]].astype(np.float64)))
        curve = np.quantile(logs, within)
        # Beyond the outermost events the tail continues like that of a Gaussian.
        known = within <= 1 - 2 / (len(logs) + 1)
        if known.sum() > 3 and not known.all():
            end = int(known.sum()) - 1
            begin = max(0, end - max(3, self.n_levels // 6))
            slope = (curve[end] - curve[begin]) / (scores[end] - scores[begin])
            curve[end:] = curve[end] + slope * (scores[end:] - scores[end])
        return start, curve

    def encode(self, cells: Tensor, t: Tensor) -> Tensor:
        """Map energies (N, n_cells) [MeV] to numbers >= 0."""
        # Every cell is compared with all levels: this bounds the memory.
        rows = max(1, _MOST_COMPARED // (cells.shape[1] * self.n_levels))
        parts = zip(cells.split(rows), t.split(rows), strict=True)
        return torch.cat([self._encode(*part) for part in parts])

    def _encode(self, cells: Tensor, t: Tensor) -> Tensor:
        hit = cells > self.threshold
        logs = torch.where(hit, cells, torch.ones_like(cells)).log()
        low, part = between(self.knots, t.to(self.knots.dtype))
        part = part[:, None]
        # Rows of the table for each cell, at the knot below and at the one above.
        first = low[:, None] * self.empty.shape[1] + self.orbits
        second = first + self.empty.shape[1]
        start = torch.lerp(_pick(self.empty, first), _pick(self.empty, second), part)
        table = self.table.flatten(0, 1)
        curves = torch.lerp(table[first], table[second], part.unsqueeze(-1))
        after = torch.searchsorted(curves.detach(), logs.detach().unsqueeze(-1)).squeeze(-1)
        after = after.clamp(1, self.n_levels - 1).unsqueeze(-1)
        left = curves.gather(-1, after - 1).squeeze(-1)
        right = curves.gather(-1, after).squeeze(-1)
        inside = ((logs - left) / (right - left).clamp_min(5e-3)).clamp(0, 1)
        position = (after.squeeze(-1) - 1 + inside) / (self.n_levels - 1)
        # A hit is never encoded as empty, however small.
        level = (position * _TOP + _EPSILON**0.5).square() - _EPSILON
        numbers = (self.reach - start) * level.clamp_min(1e-6)
        return torch.where(hit, numbers, torch.zeros_like(numbers))

    def decode(self, numbers: Tensor, t: Tensor) -> Tensor:
        """Map numbers (N, n_cells) to energies [MeV]."""
        low, part = between(self.knots, t.to(self.knots.dtype))
        first = low * self.empty.shape[1]
        if torch.compiler.is_compiling():
            # In a graph of fixed shapes, all cells are looked up.
            each = (first[:, None] + self.orbits, part[:, None].expand_as(numbers))
            energies = self._energies(*(values.flatten() for values in (numbers, *each)))
            return torch.where(numbers > 0, energies.view_as(numbers), torch.zeros_like(numbers))
        # Most cells are empty: only hits are looked up.
        hits = (numbers > 0).flatten().nonzero().squeeze(1)
        event, cell = hits // numbers.shape[1], hits % numbers.shape[1]
        rows = _pick(first, event) + _pick(self.orbits, cell)
        energies = self._energies(_pick(numbers, hits), rows, _pick(part, event))
        nothing = torch.zeros_like(numbers).flatten()
        return nothing.index_put((hits,), energies).view_as(numbers)

    def _energies(self, numbers: Tensor, rows: Tensor, part: Tensor) -> Tensor:
        """Return the energies of hits (M,) [MeV].

        Arguments:
            numbers: Encoded hits, (M,).
            rows: Row of the table for each hit, at the knot below, (M,).
            part: Fraction of the way from that knot to the next one, (M,).
        """
        n_orbits = self.empty.shape[1]
        start = torch.lerp(_pick(self.empty, rows), _pick(self.empty, rows + n_orbits), part)
        level = (numbers / (self.reach - start)).clamp(0, 1)
        position = ((level + _EPSILON).sqrt() - _EPSILON**0.5) / _TOP * (self.n_levels - 1)
        before = position.detach().long().clamp(0, self.n_levels - 2)
        inside = position - before
        index = rows * self.n_levels + before
        above = index + n_orbits * self.n_levels
        ends = [
            torch.lerp(_pick(self.table, i), _pick(self.table, i + 1), inside)
            for i in (index, above)
        ]
        return torch.lerp(ends[0], ends[1], part).exp()


def _pick(table: Tensor, index: Tensor) -> Tensor:
    """Return ``table.flatten()[index]``, three times as fast."""
    return table.flatten().index_select(0, index.flatten()).view_as(index)
