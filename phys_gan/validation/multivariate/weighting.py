"""Events that count differently: features with weights, and parts of equal worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.errors import DataError, RangeError
from phys_gan.events import effective_number
from phys_gan.validation.multivariate.estimate import as_features, positive_scale

__all__ = ["Weighted", "as_weighted", "as_weights", "equal_parts", "normalised"]

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
