"""Events to feature matrices: by their observables, or by any extractor that is plugged in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from phys_gan.errors import MissingError
from phys_gan.events import Events
from phys_gan.metrics.inception import InceptionFeatures
from phys_gan.metrics.statistics import Floats
from phys_gan.observables import Observable, measure, select

_LOW = 0.001


class Extractor(Protocol):
    """Turn events into features; the same events always get the same ones."""

    @property
    def name(self) -> str:
        """Name for reports."""

    def __call__(self, events: Events) -> Floats:
        """Return finite features of shape (N, d)."""


@runtime_checkable
class Classifying(Protocol):
    """An extractor that is also a classifier."""

    def probabilities(self, events: Events) -> Floats:
        """Return the probability of each class, shape (N, n_classes)."""


@dataclass(frozen=True)
class ObservableFeatures:
    """Take observables as features, what is not defined being filled from the reference.

    Attributes:
        observables: The observables, one feature each, in this order.
        fills: Value that stands for "not defined", by name of the observable.
        name: Name for reports.
    """

    observables: tuple[Observable, ...]
    fills: Mapping[str, float]
    name: str = "observables"

    @classmethod
    def fit(
        cls, reference: Events, observables: Sequence[str | Observable] | None = None
    ) -> ObservableFeatures:
        """Choose the observables and take the fills from the reference.

        Arguments:
            reference: Reference events.
            observables: As in :func:`phys_gan.validation.select`; by default all that exist for
                the detector. The incident energy enters as log10(E/GeV).

        Raises:
            DetectorError: No observable exists for the detector.
            MissingError: An observable is not known.
        """
        chosen = tuple(select(reference.detector, list(reference.conditions), observables))
        return cls(chosen, undefined_values(measure(reference, chosen)))

    def __call__(self, events: Events) -> Floats:
        """Return the features, shape (N, d)."""
        values = measure(events, self.observables)
        return feature_matrix(values, [o.name for o in self.observables], self.fills)


def _conditions(reference: Events) -> Extractor:
    """Train a classifier of the reference's conditions; its last hidden layer gives the features.

    Raises:
        MissingError: The events have no conditions.
        RangeError: There are too few events, or all have the same condition.
    """
    # Everything else here does without torch.
    from phys_gan.metrics.classifier.conditions import train_condition_classifier

    return train_condition_classifier(reference)


EXTRACTORS: dict[str, Callable[[Events], Extractor]] = {
    "observables": ObservableFeatures.fit,
    "conditions": _conditions,
    "inception": InceptionFeatures.fit,
}
"""Functions that make an extractor for a reference, by name. Add one by assignment."""


def undefined_values(values: Mapping[str, Floats]) -> dict[str, float]:
    """Return the value that stands for "not defined" in each observable, from the reference.

    It lies one standard deviation below the 0.1 % quantile of the defined values, or is -1 where
    none is defined: no defined value of the bulk is there, so that an undefined one stays what it
    is, and it is no outlier that would rule a covariance.

    Arguments:
        values: Observables of the reference by name, shapes (N,).
    """
    fills = {}
    for name, column in values.items():
        column = _transformed(name, column)
        defined = column[np.isfinite(column)]
        low = float(np.quantile(defined, _LOW) - defined.std()) if len(defined) else -1.0
        # A constant has no width: one unit below it.
        fills[name] = low - 1.0 if len(defined) and defined.std() == 0 else low
    return fills


def feature_matrix(
    values: Mapping[str, Floats],
    names: Sequence[str],
    fills: Mapping[str, float] | None = None,
) -> Floats:
    """Stack observables to finite features in the order of ``names``, shape (N, len(names)).

    ``E_inc`` enters as its decadic logarithm, because incident energies span decades. Undefined
    values, such as the centre of an empty layer, become those of :func:`undefined_values`.
    Constant features stay: every distance of this room ignores what is constant in both samples.

    Arguments:
        values: Observables by name, shapes (N,); NaN where not defined.
        names: Which, in which order.
        fills: Those of the reference; of ``values`` themselves, if these are the reference.

    Raises:
        MissingError: A name is not in ``values``.
    """
    missing = [name for name in names if name not in values]
    if missing:
        raise MissingError(
            f"'{missing[0]}' is not among the observables; available: {', '.join(values)}",
            value=missing[0],
        )
    if fills is None:
        fills = undefined_values({name: values[name] for name in names})
    columns = []
    for name in names:
        column = _transformed(name, values[name])
        columns.append(np.where(np.isfinite(column), column, fills[name]))
    return np.column_stack(columns)


def _transformed(name: str, column: Floats) -> Floats:
    return np.log10(column) if name == "E_inc" else column
