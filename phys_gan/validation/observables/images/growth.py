"""Curves of growth: the light within every radius at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.observables.images.grid import Distances, Floats

__all__ = ["NODES_PER_PIXEL", "Growth"]

NODES_PER_PIXEL = 4
_HALF = NODES_PER_PIXEL // 2


class Growth:
    r"""Light and area within the radii 0, 1/4, 1/2, ... pixels of N images.

    With the coverage :math:`\min(1, \max(0, r - d + 1/2))` of a pixel at distance d a sum is
    :math:`H(r + 1/2) - H(r - 1/2)` with :math:`H(t) = \sum_p v_p \max(0, t - d_p)`. H needs no
    sorting: each value is shared between the two nodes beside its distance, which leaves H at
    all nodes as it is, and H is a sum of sums.

    Arguments:
        images: Shape (N, rows, columns).
        distance: Of the pixels from the centre.
        valid: Which pixels count; all when None.
        largest: Largest radius of interest; by default the diagonal of the image.
    """

    def __init__(
        self,
        images: Floats,
        distance: Distances,
        valid: NDArray[np.bool_] | None = None,
        largest: float | None = None,
    ) -> None:
        end = np.hypot(*images.shape[1:]) if largest is None else largest
        n_nodes = int(np.ceil(end * NODES_PER_PIXEL)) + 1
        self.radii = np.arange(n_nodes) / NODES_PER_PIXEL
        nodes = _Nodes(distance.values, n_nodes)
        self.light = nodes.within(images)
        self.area = nodes.within(None if valid is None else valid.astype(images.dtype))

    def brightness(self, inner: float, outer: float) -> NDArray[np.float64]:
        """Return the mean of the pixels between two radii, rounded to quarters, shape (N,)."""
        first, last = round(inner * NODES_PER_PIXEL), round(outer * NODES_PER_PIXEL)
        light = self.light[:, last] - self.light[:, first]
        return np.asarray(light / (self.area[:, last] - self.area[:, first]))

    def at(self, radius: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the light within one radius per image, shape (N,); NaN where that is NaN.

        Between nodes it is linear in the area, as for a uniform brightness.
        """
        known = np.isfinite(radius)
        steps = np.where(known, radius, 0.0) * NODES_PER_PIXEL
        node = np.clip(steps.astype(np.intp), 0, len(self.radii) - 2)
        event = np.arange(len(self.light))
        part = (steps**2 - node**2) / (2 * node + 1)
        low, high = self.light[event, node], self.light[event, node + 1]
        return np.where(known, low + np.minimum(part, 1) * (high - low), np.nan)


class _Nodes:
    """Between which two nodes each pixel lies, and where.

    Arguments:
        distance: Shape (N, rows, columns).
        n_nodes: Number of radii, the first is 0.
    """

    def __init__(self, distance: Floats, n_nodes: int) -> None:
        n = len(distance)
        self._shape = n, n_nodes
        # Half a pixel behind the last radius counts too; what lies further out, not at all.
        self._columns = n_nodes + _HALF + 1
        steps = np.minimum(distance * distance.dtype.type(NODES_PER_PIXEL), self._columns - 2)
        whole = steps.astype(np.intp)
        self._upper = (steps - whole).ravel()
        whole += np.arange(0, n * self._columns, self._columns)[:, None, None]
        self._node = whole.ravel()

    def within(self, values: Floats | None) -> NDArray[np.float64]:
        """Return the sums of values within each radius, (N, n_nodes); of ones when None."""
        n, n_nodes = self._shape
        size = n * self._columns
        weights = None if values is None else values.ravel()
        upper = self._upper if weights is None else self._upper * weights
        both = np.bincount(self._node, weights, size)
        later = np.bincount(self._node, upper, size)
        shared = both - later
        shared[1:] += later[:-1]
        total = np.cumsum(shared.reshape(n, self._columns), axis=1)
        # H is the integral of the total, so a difference of H is a sum of totals.
        padded = np.pad(total, ((0, 0), (_HALF, 0)))
        blocks = [padded[:, k : k + n_nodes] for k in range(2 * _HALF)]
        return np.asarray(np.sum(blocks, axis=0) / NODES_PER_PIXEL)
