"""A metric that can be judged: value, error, floor and verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["LIMIT_SIGMAS", "Result", "Worse", "against_floor"]

Worse = Literal["higher", "lower"]

LIMIT_SIGMAS = 3.0
"""Standard deviations between the floor and the limit of :func:`against_floor`."""


@dataclass(frozen=True)
class Result:
    """A metric that can be judged.

    Attributes:
        value: The metric.
        error: Its standard error.
        floor: Its mean between two samples of these sizes, both drawn from the reference.
        floor_error: The standard deviation of the same.
        limit: The worst value that still counts as within the floor.
        n_reference: Events of the reference that it was taken from.
        n_candidate: The same for the candidate.
        within_floor: Whether the value is not beyond the limit.
        p_value: Probability of a worse value between equal samples, where known.
        n_equivalent: Number of showers in two samples of the reference that differ as much, where
            the metric falls with the number of events.
        worse: On which side of the limit bad values are.
    """

    value: float
    error: float
    floor: float
    floor_error: float
    limit: float
    n_reference: int
    n_candidate: int
    within_floor: bool
    p_value: float | None = None
    n_equivalent: float | None = None
    worse: Worse = "higher"

    @property
    def severity(self) -> float:
        """How far the value is from zero (or from the floor) in units of the limit; bad above 1."""
        if self.worse == "lower":
            off, reach = max(0.0, self.floor - self.value), self.floor - self.limit
        else:
            off, reach = max(0.0, self.value), self.limit
        if self.p_value == 1 and off >= reach * (1 - 1e-9):
            # A constant differs from itself by rounding and pseudo-counts alone, as much as ever.
            return 0.0
        if reach > 0:
            return off / reach
        return 0.0 if self.within_floor else float("inf")

    def as_dict(self) -> dict[str, float | int | bool | str | None]:
        """Return the fields for JSON, which knows no NaN and no infinity: they become None."""
        return {
            name: None if isinstance(value, float) and not np.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def against_floor(
    value: float,
    error: float,
    floors: ArrayLike,
    n_reference: int,
    n_candidate: int,
    *,
    worse: Worse = "higher",
) -> Result:
    """Judge a metric whose distribution between equal samples is known from a few repetitions.

    The limit lies three standard deviations (of the floor's repetitions and of the value itself,
    in quadrature) on the bad side of the mean floor.

    Arguments:
        value: The metric.
        error: Its standard error.
        floors: The same metric between samples of the same sizes from the reference, shape (R,).
        n_reference: Events of the reference that it was taken from.
        n_candidate: The same for the candidate.
        worse: Whether higher or lower values are worse.
    """
    floors = np.asarray(floors, np.float64)
    floor = float(floors.mean())
    spread = float(floors.std(ddof=1)) if floors.size > 1 else 0.0
    sign = 1.0 if worse == "higher" else -1.0
    limit = floor + sign * LIMIT_SIGMAS * float(np.hypot(spread, error))
    within = bool(sign * value <= sign * limit + 1e-12)
    return Result(value, error, floor, spread, limit, n_reference, n_candidate, within, worse=worse)
