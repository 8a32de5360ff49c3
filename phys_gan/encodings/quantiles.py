"""Normal scores that depend on energy: any feature becomes N(0, 1) at any incident energy."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr
from torch import Tensor, nn

__all__ = ["ConditionalQuantiles", "between"]


class ConditionalQuantiles(nn.Module):
    r"""Map features to normal scores by their quantile function at the event's energy.

    .. math:: z = \Phi^{-1}(F(v \mid t)), \qquad v = F^{-1}(\Phi(z) \mid t)

    The quantile function is tabulated at ``n_knots`` values of t = ln E and ``n_levels`` normal
    scores, linear in between. Around each knot it is estimated from the nearest events after a
    local linear trend in t is taken out, so that the width of the window adds no width.

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
        """Learn the quantile functions from features (N, F) of events at t (N,)."""
        n_knots, n_features, n_levels = self.table.shape
        knots = np.quantile(t, np.linspace(0, 1, n_knots))
        # A sample at one energy has one distribution: knots a hair apart keep the formulas finite.
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
        # Without a trend at point masses (an empty layer), the mass itself must stay reachable.
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
        # Within a point mass every level is equally right: take the middle one.
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
    """Return the knot below each t, (N,), and how far t is from there to the next one, 0 to 1.

    Beyond the outermost of the knots (K,) what holds there goes on.
    """
    low = (torch.searchsorted(knots, t.contiguous(), right=True) - 1).clamp(0, len(knots) - 2)
    part = (t - knots[low]) / (knots[low + 1] - knots[low])
    return low, part.clamp(0, 1)


def _slope(shift: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Return the least-squares slope; 0 where the events share one energy."""
    spread = shift - shift.mean()
    norm = float(spread @ spread)
    return float(spread @ values) / norm if norm > 1e-12 else 0.0
