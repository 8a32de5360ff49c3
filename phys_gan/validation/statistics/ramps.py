"""Whether a measured quantity follows a condition over its whole range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["Followed", "follow", "spearman"]

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
