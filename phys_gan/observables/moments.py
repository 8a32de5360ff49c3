"""Moments of images: :class:`Adaptive`, those of the best matching elliptical Gaussian; plain ones.

References:
    Shapes and Shears, Stars and Smears: Optimal Measurements for Weak Lensing
    (Bernstein, Jarvis, 2002), section 3.1, https://arxiv.org/abs/astro-ph/0107431
    Shear calibration biases in weak-lensing surveys (Hirata, Seljak, 2003), appendix B,
    https://arxiv.org/abs/astro-ph/0301054
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phys_gan.observables.photometry import Floats
from phys_gan.observables.sums import Numbers

_MOST_STEPS = 100
_LARGEST_STEP = 0.25
"""Change of the shape in one step, in units of the minor axis squared, and of the centre."""
_START = 1 / 16
"""First guess of sigma, in sides of the image."""
_NEGLIGIBLE = -60.0
"""Exponent below which a weight is negligible; smaller ones only slow exp down."""


@dataclass(frozen=True)
class Adaptive:
    """Adaptive moments of N images in pixels; NaN where the iteration did not converge.

    Attributes:
        centres: (x, y), shape (N, 2).
        covariance: (xx, xy, yy) of the matched Gaussian, shape (N, 3).
        rho4: Weighted fourth moment of the elliptical radius, shape (N,); 2 for a Gaussian.
        amplitude: Sum of image times weight, shape (N,).
        weight_square: Sum of the squared weight, shape (N,).
    """

    centres: Numbers
    covariance: Numbers
    rho4: Numbers
    amplitude: Numbers
    weight_square: Numbers

    @property
    def sigma(self) -> Numbers:
        """Size det(M)^(1/4) in pixels, shape (N,)."""
        xx, xy, yy = self.covariance.T
        return np.asarray((xx * yy - xy**2) ** 0.25)

    @property
    def shear(self) -> tuple[Numbers, Numbers]:
        r"""Reduced shear :math:`g = e / (1 + \sqrt{1 - |e|^2})`, |g| = (1 - q) / (1 + q)."""
        xx, xy, yy = self.covariance.T
        e1, e2 = (xx - yy) / (xx + yy), 2 * xy / (xx + yy)
        factor = 1 / (1 + np.sqrt(np.maximum(0, 1 - e1**2 - e2**2)))
        return e1 * factor, e2 * factor


def adaptive_moments(images: Floats, *, tolerance: float = 1e-4) -> Adaptive:
    r"""Match the weight :math:`w = \exp(-\rho^2/2)`, :math:`\rho^2 = (p-c)^T M^{-1} (p-c)`.

    Centre c and shape M are those at which the weighted centroid is c and twice the weighted
    covariance is M, so that M of a Gaussian is its own covariance. Each step moves them by twice
    the difference, for a Gaussian straight to the solution; large steps are cut.
    :math:`\rho_4 = \sum w I \rho^4 / \sum w I`.

    Arguments:
        images: Shape (N, rows, columns); computed in their precision.
        tolerance: Size of the last step, in units of the minor axis and of its square.
    """
    n, rows, columns = images.shape
    middle = np.array([(columns - 1) / 2, (rows - 1) / 2])
    # 1, x, y, x^2, xy and y^2 of the pixels from the middle, shape (6, n_pixels).
    y, x = np.mgrid[:rows, :columns].reshape(2, -1) - middle[::-1, None]
    basis = np.stack([np.ones_like(x), x, y, x**2, x * y, y**2]).astype(images.dtype)
    flat = images.reshape(n, rows * columns)
    # The state of an image is (x, y, xx, xy, yy), from its middle.
    state = np.zeros((n, 5))
    state[:, 2] = state[:, 4] = (min(rows, columns) * _START) ** 2
    # Step until each image is matched or lost: centre outside, no light, or an impossible shape.
    active, pixels = np.arange(n), flat
    done = np.zeros(n, bool)
    bound = np.array([columns, rows]) / 2
    for _ in range(_MOST_STEPS):
        if not len(active):
            break
        sums = _weighted(pixels, state[active], basis)[0]
        new, step = _moved(state[active], sums)
        with np.errstate(invalid="ignore"):
            lost = ~(sums[:, 0] > 0) | (np.abs(new[:, :2]) > bound).any(axis=1)
            lost |= ~(new[:, 2] * new[:, 4] > new[:, 3] ** 2) | ~(new[:, 2] > 0)
            lost |= new[:, 2] + new[:, 4] > (rows**2 + columns**2) / 4
        matched = ~lost & (step < tolerance)
        state[active] = new
        done[active[matched]] = True
        going = ~(matched | lost)
        if not going.all():
            active, pixels = active[going], pixels[going]
    # Compute what needs the final weight only.
    state[~done] = np.nan
    amplitude, rho4, square = (np.full(n, np.nan) for _ in range(3))
    sums, exponent = _weighted(flat[done], state[done], basis)
    weight = np.exp(exponent)
    square[done] = np.einsum("np,np->n", weight, weight)
    weight *= flat[done]
    exponent *= exponent
    amplitude[done] = sums[:, 0]
    rho4[done] = 4 * np.einsum("np,np->n", weight, exponent) / sums[:, 0]
    return Adaptive(state[:, :2] + middle, state[:, 2:], rho4, amplitude, square)


def margins(images: Floats) -> tuple[Numbers, Numbers]:
    """Return the sums of the columns (N, columns) and of the rows (N, rows)."""
    return images.sum(axis=1, dtype=np.float64), images.sum(axis=2, dtype=np.float64)


def centroids(images: Floats) -> Numbers:
    """Return the centroids (x, y), shape (N, 2)."""
    along_x, along_y = margins(images)
    rows, columns = images.shape[1:]
    x, y = np.arange(columns, dtype=np.float64), np.arange(rows, dtype=np.float64)
    return np.asarray(np.stack([along_x @ x, along_y @ y], axis=1) / along_x.sum(axis=1)[:, None])


def plain_moments(images: Floats, centres: Numbers | None = None) -> tuple[Numbers, Numbers]:
    """Return centroids (N, 2) and second moments (xx, xy, yy) (N, 3) without any weight.

    Arguments:
        images: Shape (N, rows, columns), zero outside the object.
        centres: About which second moments are taken; by default the centroid.
    """
    centroid, (along_x, along_y) = centroids(images), margins(images)
    about = centroid if centres is None else centres
    dx = np.arange(images.shape[2]) - about[:, :1]
    dy = np.arange(images.shape[1]) - about[:, 1:]
    mixed = np.einsum("nij,ni,nj->n", images, dy, dx)
    second = [(along_x * dx**2).sum(axis=1), mixed, (along_y * dy**2).sum(axis=1)]
    return centroid, np.stack(second, axis=1) / along_x.sum(axis=1)[:, None]


def _weighted(pixels: Floats, state: Numbers, basis: Floats) -> tuple[Numbers, Floats]:
    """Return the sums of w I (1, x, y, xx, xy, yy), shape (n, 6), and the exponents of w."""
    x, y, xx, xy, yy = state.T
    determinant = xx * yy - xy**2
    a, b, c = yy / determinant, -xy / determinant, xx / determinant
    half = np.stack(
        [
            a * x * x / 2 + b * x * y + c * y * y / 2,
            -(a * x + b * y),
            -(b * x + c * y),
            a / 2,
            b,
            c / 2,
        ],
        axis=1,
    )
    exponent = (-half).astype(basis.dtype) @ basis
    # Terms of very thin ellipses cancel, in single precision to something that may be positive.
    np.clip(exponent, _NEGLIGIBLE, 0, out=exponent)
    weighted = np.exp(exponent)
    weighted *= pixels
    return np.asarray(weighted @ basis.T, np.float64), exponent


def _moved(state: Numbers, sums: Numbers) -> tuple[Numbers, Numbers]:
    """Return the state after one step, and the size of that step."""
    with np.errstate(divide="ignore", invalid="ignore"):
        m = sums[:, 1:] / sums[:, :1]
        bx, by = m[:, 0] - state[:, 0], m[:, 1] - state[:, 1]
        about = state[:, :2]
        cxx = m[:, 2] - 2 * m[:, 0] * about[:, 0] + about[:, 0] ** 2
        cyy = m[:, 4] - 2 * m[:, 1] * about[:, 1] + about[:, 1] ** 2
        cxy = m[:, 3] - m[:, 0] * about[:, 1] - m[:, 1] * about[:, 0] + about.prod(axis=1)
        xx, xy, yy = state[:, 2:].T
        minor = (xx + yy) / 2 - np.hypot((xx - yy) / 2, xy)
        root = np.sqrt(minor)
        steps = np.stack([2 * bx / root, 2 * by / root], axis=1)
        shape = 4 * np.stack([cxx - xx / 2, cxy - xy / 2, cyy - yy / 2], axis=1) / minor[:, None]
        steps = np.clip(np.concatenate([steps, shape], axis=1), -_LARGEST_STEP, _LARGEST_STEP)
        size = np.abs(steps).max(axis=1)
        scale = np.stack([root, root, minor, minor, minor], axis=1)
    return state + steps * scale, size
