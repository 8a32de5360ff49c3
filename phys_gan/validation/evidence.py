"""What a search for failures looks at, :class:`Evidence`, and what it returns, :class:`Suspicion`.

The tests here are exact where events can be counted: equal samples are random parts of one pool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc, gammaln
from scipy.stats import hypergeom

from phys_gan.metrics.response import ResponseCurve
from phys_gan.metrics.result import Result
from phys_gan.validation.sample import Sample

T = TypeVar("T")

NAMED_LEVEL = 1e-3
"""Cells, lines, tails and values are named whose own p-value, for all of them, is below this."""


@dataclass(frozen=True)
class Suspicion:
    """An answer to the question whether a candidate shows one failure.

    Attributes:
        p_value: Probability that equal samples show as much of it.
        text: What is seen, with its size, in one sentence; empty where there is nothing.
    """

    p_value: float
    text: str = ""


NOTHING = Suspicion(1.0)
"""The answer where there is nothing to see."""


@dataclass(frozen=True)
class Finding:
    """A failure that was looked for, and is found where it is beyond chance.

    Attributes:
        name: Its name, a key of :data:`~phys_gan.validation.pathologies.DIAGNOSES`.
        text: What was seen, with its size, in one sentence; empty where nothing was.
        p_value: Probability that equal samples show as much of it.
        level: Rate of false alarms that it may have: it is found where ``p_value`` is smaller.
    """

    name: str
    text: str
    p_value: float
    level: float

    @property
    def found(self) -> bool:
        """Whether it is beyond chance."""
        return self.p_value < self.level

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Evidence:
    """What a diagnosis looks at.

    Attributes:
        reference: The reference.
        candidate: The candidate.
        curves: Response of both, where the incident energies are known.
        multivariate: Results of metrics of whole events.
        seed: Seed of random choices.
    """

    reference: Sample
    candidate: Sample
    curves: tuple[ResponseCurve, ResponseCurve] | None
    multivariate: Mapping[str, Result]
    seed: int = 0
    _made: dict[Callable[[Evidence], Any], Any] = field(default_factory=dict, repr=False)

    def once(self, make: Callable[[Evidence], T]) -> T:
        """Return a function of this evidence, computed only once for all diagnoses."""
        if make not in self._made:
            self._made[make] = make(self)
        made: T = self._made[make]
        return made

    @property
    def samples(self) -> tuple[Sample, Sample]:
        """Reference and candidate."""
        return self.reference, self.candidate

    @property
    def weighted(self) -> bool:
        """Whether events of either sample count differently."""
        return any(sample.weights is not None for sample in self.samples)


def two_sided(sigmas: float) -> float:
    """Return the probability of a normal number so far from 0, in either direction.

    Example:
        >>> round(two_sided(-1.96), 3)
        0.05
    """
    return float(erfc(abs(sigmas) / 2**0.5)) if np.isfinite(sigmas) else 1.0


def all_of_one(n: float, n_other: float, counts: ArrayLike) -> NDArray[np.float64]:
    """Return the probability that events are all from a sample of n, none from one of n_other.

    They are chosen from the pool of both, without replacement; numbers may be effective ones.

    Arguments:
        n: Events of the sample.
        n_other: Events of the other one.
        counts: Numbers of events, of any shape.

    Example:
        >>> all_of_one(2, 2, [1, 2]).round(4).tolist()  # of four events
        [0.5, 0.1667]
    """
    k = np.minimum(np.asarray(counts, np.float64), n)
    both = n + n_other
    # The ratio of two binomial coefficients.
    log = gammaln(n + 1) - gammaln(n - k + 1) - gammaln(both + 1) + gammaln(both - k + 1)
    return np.asarray(np.exp(np.minimum(log, 0.0)))


def more_often(count: int, other: int, n: int, n_other: int) -> float:
    """Return the probability of ``count`` or more of ``count + other`` events in a sample of n.

    The other sample has ``n_other`` events (Fisher's exact test).

    Example:
        >>> more_often(0, 3, 10, 10), round(more_often(3, 0, 10, 10), 3)
        (1.0, 0.105)
    """
    return float(hypergeom.sf(count - 1, n + n_other, n, min(count + other, n + n_other)))


def percent(value: float, error: float) -> str:
    """Write a fraction in per cent with two figures of its error.

    Example:
        >>> percent(0.0123, 0.0004)
        '1.230 ± 0.040 %'
    """
    # An error of nothing but rounding has no figures.
    places = int(np.clip(1 - np.floor(np.log10(100 * error)), 0, 6)) if error > 1e-8 else 2
    return f"{100 * value:.{places}f} ± {100 * error:.{places}f} %"


def some(texts: Sequence[str]) -> str:
    """List the first five, and how many more there are."""
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")


def layer_name(sample: Sample, k: int) -> str:
    """Return the name of a layer, or its number."""
    return sample.detector.layers[k].name or str(k)


def named_cells(cells: NDArray[np.int64], sample: Sample) -> str:
    """Say which cells these are, by their numbers within their layers."""
    layers = np.searchsorted(sample.detector.offsets, cells, side="right") - 1
    shown = [
        f"{cell - sample.detector.offsets[k]} of layer {layer_name(sample, k)}"
        for cell, k in zip(cells.tolist(), layers.tolist(), strict=True)
    ]
    return f"{len(cells)} cell{'s' if len(cells) > 1 else ''} ({some(shown)})"
