"""Samples of events as matrices of features, with or without weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.detectors import Detector
from phys_gan.errors import DataError, DetectorError, RangeError
from phys_gan.metrics.statistics import Floats, Weights, relative_weights


@dataclass(frozen=True, eq=False)
class Weighted:
    r"""Features and how much each event counts.

    Attributes:
        features: Features, shape (n, d).
        weights: Weights of any sign, shape (n,), scaled so that :math:`\sum_i w_i = \sum_i w_i^2`:
            both are the effective number of events. None where all count the same.
    """

    features: Floats
    weights: Weights = None

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

    def groups(self, n_groups: int) -> list[tuple[Floats, Weights]]:
        """Cut the events, in their order, into groups of nearly equal size, on one scale."""
        parts = np.array_split(self.features, n_groups)
        if self.weights is None:
            return [(part, None) for part in parts]
        return list(zip(parts, np.array_split(self.weights, n_groups), strict=True))

    def drawn(self, generator: np.random.Generator) -> Floats | None:
        """Return the features of events drawn by their weights, shape (n', d).

        Hit or miss: an event is kept with the probability w/max(w), none twice, so that those kept
        are an independent sample of the weighted distribution, as nearest neighbours need it. All
        events where they have no weights; None where a weight is negative.
        """
        if self.weights is None:
            return self.features
        if self.weights.min() < 0:
            return None
        kept = generator.random(len(self)) * self.weights.max() < self.weights
        return np.asarray(self.features[kept])


def as_features(least: int, /, **matrices: ArrayLike) -> list[Floats]:
    """Return feature matrices as float64 after a check of their shapes and values.

    Arguments:
        least: Smallest number of events in each.
        matrices: Matrices of shape (n, d) with one d, by the names that errors call them.

    Raises:
        DataError: A matrix does not have two axes, is empty, holds NaN or infinite values, or has
            another number of features than the first.
        RangeError: A matrix has fewer events than that.
    """
    checked: list[Floats] = []
    for name, matrix in matrices.items():
        array = np.asarray(matrix, np.float64)
        width = checked[0].shape[1] if checked else (array.shape[1] if array.ndim == 2 else 0)
        if array.ndim != 2 or array.shape[1] != width or not array.size:
            raise DataError(
                f"the {name} features have shape {array.shape}, not (n, {width or 'd'})",
                remedy="give one row per event and the same features for all samples",
                value=array.shape,
            )
        need_events(name, len(array), least)
        if not np.isfinite(array.sum()) and not np.isfinite(array).all():
            raise DataError(
                f"the {name} features hold NaN or infinite values",
                remedy="replace what is not defined, as features.feature_matrix does",
                value=float("nan"),
            )
        checked.append(array)
    return checked


def as_weighted(least: int, /, **samples: tuple[ArrayLike, ArrayLike | None]) -> list[Weighted]:
    """Return features and weights after a check; events of weight 0 are left out.

    Arguments:
        least: Smallest effective number of events in each sample.
        samples: Features (n, d) with one d and weights (n,) or None, by the names that errors call
            them.

    Raises:
        DataError: As :func:`as_features`, or there is not one finite weight per event.
        RangeError: A sample has effectively fewer events than that.
    """
    matrices = as_features(least, **{name: features for name, (features, _) in samples.items()})
    found = []
    for (name, (_, given)), features in zip(samples.items(), matrices, strict=True):
        weights = relative_weights(name, given, len(features), least)
        if weights is None:
            found.append(Weighted(features))
        else:
            found.append(Weighted(features[weights != 0], weights[weights != 0]))
    return found


def equal_parts(first: Weighted, second: Weighted, most: int) -> tuple[Weighted, Weighted]:
    """Cut both samples, in random order, to equal effective numbers of at most ``most`` events.

    What fluctuates with the number of events does so with the effective number of weighted ones.
    The fraction that is cut off is fixed beforehand: to stop where the number is reached would
    favour parts without large weights.
    """
    parts = first[:most], second[:most]
    number = min(part.number for part in parts)
    cut = [part[: round(number / part.efficiency)] for part in parts]
    return cut[0], cut[1]


def normalised(reference: Weighted, candidate: Weighted) -> tuple[Weighted, Weighted]:
    """Divide both samples by the largest absolute value of each feature in the reference."""
    scale = _positive(np.abs(reference.features).max(axis=0))
    return (
        Weighted(reference.features / scale, reference.weights),
        Weighted(candidate.features / scale, candidate.weights),
    )


def standardised(reference: Floats, *others: Floats) -> list[Floats]:
    """Shift and divide all features by mean and standard deviation of the reference.

    Otherwise a length in mm would outweigh a fraction. A feature that is constant in the reference
    keeps its unit.
    """
    centre, scale = reference.mean(axis=0), _positive(reference.std(axis=0))
    return [(features - centre) / scale for features in (reference, *others)]


def standardised_together(*samples: Floats) -> Floats:
    """Stack samples, and give their features mean 0 and standard deviation 1 over all events.

    Tests that permute the events of the samples need a scale that does not depend on which event
    belongs to which. Features that are constant over all say nothing, and are left out.
    """
    pool = np.concatenate(samples)
    centre, scale = pool.mean(axis=0), pool.std(axis=0)
    varies = scale > 1e-12 * np.maximum(1.0, np.abs(centre))
    return np.asarray((pool[:, varies] - centre[varies]) / scale[varies])


def _positive(scale: Floats) -> Floats:
    """Return a divisor per feature: 1 where the reference is constant, which leaves it as it is."""
    return np.where(scale > 0, scale, 1.0)


def need_events(name: str, n: int, least: int, purpose: str = "") -> None:
    """Refuse a sample of that name with fewer events than ``least``.

    Raises:
        RangeError: It has fewer events.
    """
    if n < least:
        raise RangeError(
            f"the {name} has {n} event{'s' * (n != 1)}, but at least {least} are needed{purpose}",
            remedy="give more events",
            value=n,
            constraint=least,
        )


def need_same_cells(reference: Detector, candidate: Detector) -> None:
    """Refuse samples of different cells.

    Raises:
        DetectorError: The detectors differ.
    """
    if not reference.same_cells(candidate):
        raise DetectorError(
            f"cannot compare events of '{reference.name}' with events of '{candidate.name}'",
            remedy="give samples of one detector",
        )
