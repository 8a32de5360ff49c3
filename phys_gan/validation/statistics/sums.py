"""Sums whose value does not depend on the order of their terms."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ExactSum"]


class ExactSum:
    """Add up arrays with twice the digits of a double.

    The error of each addition, which is a double itself, is added up too. What is left of the
    order of the terms is some 2^53 times smaller than the last digit of the sum.

    References:
        A floating-point technique for extending the available precision (Dekker, 1971),
        https://doi.org/10.1007/BF01397083

    Arguments:
        shape: Shape of the arrays.

    Example:
        >>> total = ExactSum(())
        >>> for term in (1e16, 1.0, 1.0):
        ...     total.add(term)
        >>> float(total.value) - 1e16
        2.0
    """

    def __init__(self, shape: int | tuple[int, ...]) -> None:
        self._high, self._low = np.zeros(shape), np.zeros(shape)

    def add(self, term: ArrayLike) -> None:
        """Add an array."""
        self._add(np.asarray(term, np.float64))

    def merge(self, other: ExactSum) -> None:
        """Add another sum."""
        self._add(other._high)
        self._low = self._low + other._low

    def plus(self, other: ExactSum) -> ExactSum:
        """Return the sum of both, and leave both as they are."""
        total = ExactSum(self._high.shape)
        total.merge(self)
        total.merge(other)
        return total

    @property
    def value(self) -> NDArray[np.float64]:
        """The sum, rounded once."""
        return np.asarray(self._high + self._low)

    def _add(self, term: NDArray[np.float64]) -> None:
        # Knuth: high + error is exactly the sum, whichever of both is larger.
        high = self._high + term
        seen = high - self._high
        self._low = self._low + ((self._high - (high - seen)) + (term - seen))
        self._high = high
