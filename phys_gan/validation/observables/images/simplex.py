"""The downhill simplex method in the plane, for many functions at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["minimise"]

_MOST_STEPS = 400
Function = Callable[[NDArray[np.intp], NDArray[np.float64]], NDArray[np.float64]]


def minimise(
    function: Function,
    start: NDArray[np.float64],
    step: NDArray[np.float64],
    tolerance: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find a local minimum of each of N functions of a point (x, y).

    Reflection, expansion, contraction and shrinking as usual (1, 2, 1/2, 1/2).

    References:
        A Simplex Method for Function Minimization (Nelder, Mead, 1965),
        https://doi.org/10.1093/comjnl/7.4.308

    Arguments:
        function: Given the numbers of n functions and one point each, shape (n, 2), returns
            their values, shape (n,).
        start: First points, shape (N, 2).
        step: Distance of the two other corners along x and y, shape (N,).
        tolerance: Largest distance between the corners at the end.

    Returns:
        The best points (N, 2) and their values (N,).
    """
    n = len(start)
    every = np.arange(n)
    corners = np.repeat(start[:, None, :], 3, axis=1)
    corners[:, 1, 0] += step
    corners[:, 2, 1] += step
    values = np.stack([function(every, corners[:, k]) for k in range(3)], axis=1)
    active = every
    for _ in range(_MOST_STEPS):
        order = np.argsort(values[active], axis=1, kind="stable")
        values[active] = np.take_along_axis(values[active], order, axis=1)
        corners[active] = np.take_along_axis(corners[active], order[:, :, None], axis=1)
        spread = np.abs(corners[active, 1:] - corners[active, :1]).max(axis=(1, 2))
        active = active[spread > tolerance]
        if not len(active):
            break
        _step(function, active, corners, values)
    return corners[:, 0], values[:, 0]


def _step(
    function: Function,
    active: NDArray[np.intp],
    corners: NDArray[np.float64],
    values: NDArray[np.float64],
) -> None:
    """Replace the worst corner, or draw both others towards the best one."""
    best, middle, worst = values[active].T
    pivot = corners[active, :2].mean(axis=1)
    away = pivot - corners[active, 2]
    reflected = function(active, pivot + away)
    # One of: expansion, contraction outside or inside, or no second try.
    reach = np.where(reflected < best, 2.0, np.where(reflected < worst, 0.5, -0.5))
    try_again = (reflected < best) | (reflected >= middle)
    second = np.full(len(active), np.inf)
    points = pivot + reach[:, None] * away
    second[try_again] = function(active[try_again], points[try_again])
    inside, outside = reach < 0, (reach == 0.5) & try_again
    take_second = np.where(
        reflected < best,
        second < reflected,
        (inside & (second < worst)) | (outside & (second <= reflected)),
    )
    take_first = ~take_second & ((reflected < best) | ~try_again)
    corners[active[take_second], 2] = points[take_second]
    values[active[take_second], 2] = second[take_second]
    corners[active[take_first], 2] = (pivot + away)[take_first]
    values[active[take_first], 2] = reflected[take_first]
    shrink = active[~take_second & ~take_first]
    for k in (1, 2) if len(shrink) else ():
        corners[shrink, k] = (corners[shrink, k] + corners[shrink, 0]) / 2
        values[shrink, k] = function(shrink, corners[shrink, k])
