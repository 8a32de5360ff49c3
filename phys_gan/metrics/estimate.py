"""A number with its standard error, as every function of this room gives it.

Events that count differently: features with weights, and parts of equal worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.errors import DataError, RangeError
from phys_gan.events import effective_number

__all__ = [
    "Estimate",
    "Weighted",
    "as_features",
    "as_weighted",
    "as_weights",
    "equal_parts",
    "normalised",
    "positive_scale",
    "share",
]


class Estimate(NamedTuple):
    """A value and its standard error."""

    value: float
    error: float


def as_features(least: int, /, **matrices: ArrayLike) -> list[NDArray[np.float64]]:
    """Return feature matrices as float64 after a check of their shapes and values.

    Arguments:
        least: Smallest number of events in each.
        matrices: Matrices of shape (n, d) with one d, by the names that errors call them.

    Raises:
        DataError: A matrix has not two axes, is empty, holds NaN or infinite values, or has
            another number of features than the first.
        RangeError: A matrix has fewer events than that.
    """
    checked: list[NDArray[np.float64]] = []
    for name, matrix in matrices.items():
        array = np.asarray(matrix, np.float64)
        width = checked[0].shape[1] if checked else (array.shape[1] if array.ndim == 2 else 0)
        if array.ndim != 2 or array.shape[1] != width or not array.size:
            raise DataError(
                f"the {name} features have shape {array.shape}, not (n, {width or 'd'})",
                remedy="give one row per event and the same features for all samples",
                value=array.shape,
            )
        if len(array) < least:
            raise RangeError(
                f"the {name} has {len(array)} event{'s' * (len(array) > 1)}, but at least {least} "
                "are needed",
                remedy="give more events",
                value=len(array),
                constraint=least,
            )
        if not np.isfinite(array.sum()) and not np.isfinite(array).all():
            raise DataError(
                f"the {name} features hold NaN or infinite values",
                remedy="replace what is not defined, as features.feature_matrix does",
                value=float("nan"),
            )
        checked.append(array)
    return checked


def positive_scale(scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a divisor per feature: 1 where the reference is constant, which leaves it as it is."""
    return np.where(scale > 0, scale, 1.0)


def share(count: float, n: int) -> Estimate:
    """Return a fraction count/n with its binomial error, which zero counts have, too.

    The error is that of the expectation (k + 1)/(n + 2) (Laplace).

    Example:
        >>> share(0, 98).value, round(share(0, 98).error, 3)
        (0.0, 0.01)
    """
    expected = (count + 1) / (n + 2)
    return Estimate(count / n, float(np.sqrt(expected * (1 - expected) / n)))


Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Weighted:
    r"""Hold features together with how much each event counts.

    Attributes:
        features: Features, shape (n, d).
        weights: Weights of any sign, shape (n,), scaled so that :math:`\sum_i w_i = \sum_i w_i^2`:
            both are the effective number of events. None where all count the same.
    """

    features: Floats
    weights: Floats | None = None

    def __post_init__(self) -> None:
        if self.weights is not None:
            scale = float(self.weights.sum()) / float(self.weights @ self.weights)
            object.__setattr__(self, "weights", self.weights * scale)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> Weighted:
        return Weighted(self.features[rows], None if self.weights is None else self.weights[rows])

    @property
    def number(self) -> float:
        """Effective number of events."""
        return float(len(self)) if self.weights is None else float(self.weights.sum())

    @property
    def efficiency(self) -> float:
        """Effective number over the number of events, from 0 to 1."""
        return self.number / len(self)

    def groups(self, n_groups: int) -> list[tuple[Floats, Floats | None]]:
        """Cut the events, in their order, into groups of nearly equal size, on one scale."""
        parts = np.array_split(self.features, n_groups)
        if self.weights is None:
            return [(part, None) for part in parts]
        return list(zip(parts, np.array_split(self.weights, n_groups), strict=True))

    def drawn(self, generator: np.random.Generator) -> Floats | None:
        """Return the features of events that are drawn by their weights and then count the same.

        Hit or miss: an event is kept with the probability w/max(w), none twice, so that what is
        kept is an independent sample of the weighted distribution, as neighbours need it.

        Returns:
            Shape (n', d); all events where they have no weights, None where one is negative.
        """
        if self.weights is None:
            return self.features
        if self.weights.min() < 0:
            return None
        kept = generator.random(len(self)) * self.weights.max() < self.weights
        return np.asarray(self.features[kept])


def as_weights(name: str, weights: ArrayLike | None, n: int, least: float) -> Floats | None:
    """Return weights as float64, the largest modulus being 1, after a check.

    Arguments:
        name: What errors call the sample.
        weights: Weights of any sign and scale, shape (n,).
        n: Number of events.
        least: Smallest effective number.

    Returns:
        None where there are none, or where all are equal.

    Raises:
        DataError: There is not one finite weight per event.
        RangeError: The effective number of events is smaller than ``least``.
    """
    if weights is None:
        return None
    array = np.asarray(weights, np.float64)
    if array.shape != (n,):
        raise DataError(
            f"the {name} weights have shape {array.shape}, but there are {n} events",
            remedy="give one weight per event, or none at all",
            value=array.shape,
        )
    if not np.isfinite(array).all():
        raise DataError(
            f"the {name} weights hold NaN or infinite values",
            remedy="remove these events, or correct their weights",
            value=float("nan"),
        )
    array = array / positive_scale(np.abs(array).max(initial=0.0))
    number = effective_number(array)
    if number < least:
        raise RangeError(
            f"the {name} has {n} events, but by their weights they count as {number:.3g} of equal "
            f"weight, and at least {least:g} are needed",
            remedy="give more events, or events with more even weights",
            value=number,
            constraint=least,
        )
    return None if np.ptp(array) == 0 else array


def as_weighted(least: int, /, **samples: tuple[ArrayLike, ArrayLike | None]) -> list[Weighted]:
    """Return features and weights after a check; events of weight 0 are left out.

    Arguments:
        least: Smallest effective number of events in each sample.
        samples: Features (n, d) with one d and weights (n,) or None, by the names that errors call
            them.

    Raises:
        DataError: The features are not finite or do not match, or there is not one finite weight
            per event.
        RangeError: A sample has effectively fewer events than that.
    """
    matrices = as_features(least, **{name: features for name, (features, _) in samples.items()})
    found = []
    for (name, (_, given)), features in zip(samples.items(), matrices, strict=True):
        weights = as_weights(name, given, len(features), least)
        if weights is None:
            found.append(Weighted(features))
        else:
            counting = weights != 0
            found.append(Weighted(features[counting], weights[counting]))
    return found


def equal_parts(first: Weighted, second: Weighted, most: int) -> tuple[Weighted, Weighted]:
    """Cut both samples, which stand in random order, to equal effective numbers.

    What fluctuates with the number of events does so with the effective number of weighted ones
    (Kish, Survey Sampling, 1965, sec. 11.7). The fraction to be cut off is fixed beforehand: to
    stop where the number is reached would favour parts without large weights.

    Arguments:
        first: One sample.
        second: The other.
        most: Largest number of events of either.
    """
    parts = first[:most], second[:most]
    number = min(part.number for part in parts)
    cut = [part[: round(number / part.efficiency)] for part in parts]
    return cut[0], cut[1]


def normalised(reference: Weighted, candidate: Weighted) -> tuple[Weighted, Weighted]:
    """Divide both samples by the largest absolute value of each feature in the reference."""
    scale = positive_scale(np.abs(reference.features).max(axis=0))
    return (
        Weighted(reference.features / scale, reference.weights),
        Weighted(candidate.features / scale, candidate.weights),
    )
