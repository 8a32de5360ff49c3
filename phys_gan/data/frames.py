"""From the frame of the experiment to the frame of a shower, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import DataError

__all__ = ["ShowerFrame", "angles_of", "enter_cylinder", "unit_vectors"]


class ShowerFrame:
    """The frames of N showers: the origin where the particle enters, z along its direction.

    Across, x runs around the beam axis (along the azimuth of the direction) and y completes the
    right-handed frame: for a particle at right angles to the beam, y runs along the beam. For a
    particle along the beam, x is the x of the experiment.

    Arguments:
        entry: Points of entry in the frame of the experiment [mm], shape (N, 3).
        direction: Directions of any length but zero, shape (N, 3).

    Raises:
        DataError: A direction has no length, or something is NaN.

    Example:
        >>> frame = ShowerFrame(np.array([[0.0, 1800, 0]]), np.array([[0.0, 1, 0]]))
        >>> frame.to_local(np.array([1]), np.array([[0.0], [1810], [5]])).round(6).T
        array([[ 0.,  5., 10.]])
    """

    def __init__(self, entry: NDArray[np.floating], direction: NDArray[np.floating]) -> None:
        length = np.linalg.norm(direction, axis=1, keepdims=True)
        wrong = ~(np.isfinite(entry).all(axis=1) & np.isfinite(length[:, 0]) & (length[:, 0] > 0))
        if wrong.any():
            raise DataError(
                f"{wrong.sum()} of {len(wrong)} events have no direction or point of entry "
                f"(first: event {int(np.flatnonzero(wrong)[0])})",
                remedy="check the branches of the incident particle",
            )
        self.entry = np.asarray(entry, np.float64)
        axis = direction / length
        across = np.cross([0.0, 0.0, 1.0], axis)
        size = np.linalg.norm(across, axis=1, keepdims=True)
        # The azimuth of a particle along the beam is undefined within rounding.
        along_beam = size < 1e-12
        across = np.where(along_beam, [1.0, 0.0, 0.0], across / np.where(along_beam, 1.0, size))
        self.axes = np.stack([across, np.cross(axis, across), axis], axis=1)
        """Unit vectors x, y, z of each frame in the frame of the experiment, shape (N, 3, 3)."""

    def to_local(
        self, counts: NDArray[np.int64], points: NDArray[np.floating], first: int = 0
    ) -> NDArray[np.float64]:
        """Return points of the experiment in the frames of their events.

        Arguments:
            counts: Number of points of each event, shape (n,).
            points: The points of all events [mm], shape (3, n_points).
            first: Number of the first of these n events.

        Returns:
            x, y and z of all points in their frames, shape (3, n_points).
        """
        here = slice(first, first + len(counts))
        moved = points - np.repeat(self.entry[here].T, counts, axis=1)
        return _turned(self.axes[here], counts, moved)

    def to_global(
        self, counts: NDArray[np.int64], points: NDArray[np.floating], first: int = 0
    ) -> NDArray[np.float64]:
        """Return points in the frames of their events in that of the experiment.

        Arguments and the shape of what is returned are as in :meth:`to_local`.
        """
        here = slice(first, first + len(counts))
        turned = _turned(self.axes[here].transpose(0, 2, 1), counts, points)
        return turned + np.repeat(self.entry[here].T, counts, axis=1)


def _turned(
    matrices: NDArray[np.float64], counts: NDArray[np.int64], points: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the points (3, n_points) times the matrix of their event (n, 3, 3)."""
    turned = np.zeros((3, points.shape[1]))
    # Nine products of long columns are faster than one of many small matrices.
    for i in range(3):
        for j in range(3):
            turned[i] += np.repeat(matrices[:, i, j], counts) * points[j]
    return turned


def enter_cylinder(
    point: NDArray[np.floating],
    direction: NDArray[np.floating],
    radius: float,
    half_length: float | None = None,
) -> NDArray[np.float64]:
    """Return where straight lines first meet a barrel around the beam axis and its endcaps.

    Lines are followed forward from points inside; magnetic fields are not considered.

    Arguments:
        point: A point on each line [mm], shape (N, 3).
        direction: Its direction, shape (N, 3).
        radius: Inner radius of the barrel [mm].
        half_length: Distance of the endcaps from the origin [mm]; by default there are none.

    Returns:
        Points of entry, shape (N, 3).

    Raises:
        DataError: A line begins outside, or never leaves the barrel.
    """
    end_z = np.inf if half_length is None else half_length
    p, d = np.asarray(point, np.float64), np.asarray(direction, np.float64)
    a = (d[:, :2] ** 2).sum(axis=1)
    b = (p[:, :2] * d[:, :2]).sum(axis=1)
    c = (p[:, :2] ** 2).sum(axis=1) - radius**2
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        barrel = np.where(a > 0, (-b + np.sqrt(b**2 - a * c)) / a, np.inf)
        end = np.where(d[:, 2] != 0, (np.sign(d[:, 2]) * end_z - p[:, 2]) / d[:, 2], np.inf)
    step = np.minimum(barrel, end)
    # A micrometre of slack, so that a particle may begin on the surface itself.
    wrong = ~(np.isfinite(step) & (c <= 2e-3 * radius) & (np.abs(p[:, 2]) <= end_z + 1e-3))
    if wrong.any():
        raise DataError(
            f"{wrong.sum()} of {len(wrong)} particles do not come from inside a barrel of radius "
            f"{radius:g} mm (first: event {int(np.flatnonzero(wrong)[0])})",
            remedy="correct the radius, or name another point of entry",
            value=radius,
        )
    return p + d * step[:, np.newaxis]


def angles_of(
    vectors: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the polar angle theta and the azimuth phi [rad] of vectors (N, 3), (N,) each."""
    x, y, z = np.asarray(vectors, np.float64).T
    return np.arctan2(np.hypot(x, y), z), np.arctan2(y, x)


def unit_vectors(theta: NDArray[np.floating], phi: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the unit vectors (N, 3) of polar angles theta and azimuths phi [rad], (N,) each."""
    across = np.sin(theta)
    return np.stack([across * np.cos(phi), across * np.sin(phi), np.cos(theta)], axis=1)
