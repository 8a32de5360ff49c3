"""Stamps: many images of galaxies, and the quantities that several observables share."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from phys_gan.observables import photometry
from phys_gan.observables.moments import Adaptive, adaptive_moments, plain_moments
from phys_gan.observables.morphology import (
    Asymmetry,
    asymmetry,
    gini,
    m20,
    petrosian_segment,
    sky_asymmetry,
    smoothness,
)
from phys_gan.observables.photometry import (
    Distances,
    Floats,
    Growth,
    corner_boxes,
    distances,
    round_shape,
    sky_level_noise,
)

__all__ = ["Stamps"]

_EXTENT = 1.5
_LEAST_SIGNAL = 5.0
_CENTRE = 0.05

Numbers = NDArray[np.float64]


class Stamps:
    """Measure N images of one galaxy each; everything in pixels, once, when first asked for.

    Where the galaxy is and what shape it has is known from its adaptive moments. Where a
    segmentation map is given it is known from the plain moments within instead, as in statmorph.
    What follows from the shape of a galaxy is NaN where none is found: where the adaptive moments
    do not converge or the signal is below 5 times its noise.

    Arguments:
        images: Shape (N, rows, columns), sky subtracted; computed in their precision.
        segment: Which pixels belong to the galaxy, same shape.
        valid: Which pixels count, same shape; all when None.
        sky: Boxes of sky, shape (N, n_boxes, side, side); the corners when None.
        tolerance: Accuracy of the centre of least asymmetry [pixel].
        exact: Whether apertures cut pixels exactly. Otherwise pixels on their rim are off by a
            few per cent of a pixel: far below the noise of a stamp, and several times as fast.
    """

    def __init__(
        self,
        images: Floats,
        *,
        segment: NDArray[np.bool_] | None = None,
        valid: NDArray[np.bool_] | None = None,
        sky: Floats | None = None,
        tolerance: float = _CENTRE,
        exact: bool = False,
    ) -> None:
        self.images = images if valid is None else np.where(valid, images, 0)
        self.valid = valid
        self.segment = segment
        self.sky = corner_boxes(images) if sky is None else sky
        self._tolerance = tolerance
        self._exact = exact

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def noise(self) -> Numbers:
        """Standard deviation of the sky, from the median absolute deviation, shape (N,)."""
        return sky_level_noise(self.sky)[1]

    @cached_property
    def level(self) -> Numbers:
        """Median of the sky, shape (N,)."""
        return sky_level_noise(self.sky)[0]

    @cached_property
    def flux(self) -> Numbers:
        """Sum of all pixels, shape (N,)."""
        return np.asarray(self.images.sum(axis=(1, 2), dtype=np.float64))

    @cached_property
    def sorted(self) -> Floats:
        """The pixels of each image in rising order, shape (N, n_pixels)."""
        return np.sort(self.images.reshape(len(self), -1), axis=1)

    # Where the galaxy is, and its shape

    @cached_property
    def adaptive(self) -> Adaptive:
        """Adaptive moments."""
        return adaptive_moments(self.images)

    @cached_property
    def signal_to_noise(self) -> Numbers:
        r"""Of the flux within the matched Gaussian: :math:`\sum w I / (\sigma \sqrt{\sum w^2})`."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.adaptive.amplitude / (self.noise * np.sqrt(self.adaptive.weight_square))

    @cached_property
    def found(self) -> NDArray[np.bool_]:
        """Whether there is a galaxy, shape (N,)."""
        if self.segment is not None:
            return np.ones(len(self), bool)
        return np.asarray(self.signal_to_noise >= _LEAST_SIGNAL)

    @cached_property
    def centres(self) -> Numbers:
        """First centre (x, y) of the galaxies; the middle of the image without one, (N, 2)."""
        if self.segment is not None:
            return plain_moments(np.where(self.segment, self.images, 0))[0]
        rows, columns = self.images.shape[1:]
        middle = [(columns - 1) / 2, (rows - 1) / 2]
        return np.where(self.found[:, None], self.adaptive.centres, middle)

    @cached_property
    def covariance(self) -> Numbers:
        """Shape (xx, xy, yy) of the galaxies; a circle without one, (N, 3)."""
        if self.segment is not None:
            within = np.where(self.segment, self.images, 0)
            return plain_moments(within, self.asymmetry.centres)[1]
        circles = round_shape(len(self))
        return np.where(self.found[:, None], self.adaptive.covariance, circles)

    @cached_property
    def axis_ratio(self) -> Numbers:
        """Minor over major axis of this shape, shape (N,)."""
        xx, xy, yy = self.covariance.T
        mean, difference = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
        return np.asarray(np.sqrt((mean - difference) / (mean + difference)))

    # Radii

    @cached_property
    def asymmetry(self) -> Asymmetry:
        """Centre of least asymmetry, and the asymmetry."""
        around = self._distances(self.centres)
        petrosian = self._known(self._petrosian(around, Growth(self.images, around, self.valid)))
        return asymmetry(
            self.images,
            self.centres,
            petrosian,
            sky_asymmetry(self.sky),
            self.valid,
            tolerance=self._tolerance,
            exact=self._exact,
        )

    @cached_property
    def distance(self) -> Distances:
        """Distance of the pixels from the centre of least asymmetry."""
        return self._distances(self.asymmetry.centres)

    @cached_property
    def growth(self) -> Growth:
        """Curve of growth around the centre of least asymmetry."""
        return Growth(self.images, self.distance, self.valid)

    @cached_property
    def petrosian(self) -> Numbers:
        """Circular Petrosian radius [pixel], shape (N,)."""
        return np.where(self.found, self._petrosian(self.distance, self.growth), np.nan)

    def radius_of(self, fraction: float) -> Numbers:
        """Radius [pixel] with a fraction of the light within 1.5 Petrosian radii, shape (N,)."""
        total = self.growth.at(_EXTENT * self.petrosian)
        return photometry.fraction_radius(self.growth, total, fraction)

    @cached_property
    def concentration(self) -> Numbers:
        """5 log10(r_80 / r_20), shape (N,)."""
        return photometry.concentration(self.radius_of(0.2), self.radius_of(0.8))

    # Morphology

    @cached_property
    def smoothness(self) -> Numbers:
        """Clumpiness, shape (N,)."""
        petrosian = self._known(self.petrosian)
        result = smoothness(self.images, self.distance, petrosian, self.sky)
        return np.where(np.isfinite(self.petrosian), result, np.nan)

    @cached_property
    def bright(self) -> NDArray[np.bool_]:
        """Pixels above the Petrosian isophote, like the images; none where there is none."""
        around = self._distances(self.asymmetry.centres, self.covariance)
        petrosian = self._petrosian(around, Growth(self.images, around, self.valid))
        exists = self.found & np.isfinite(petrosian)
        ring = self._distances(self.centres, self.covariance)
        radius = self._known(petrosian)
        pixels = petrosian_segment(self.images, ring, radius, self.axis_ratio)
        pixels &= exists[:, None, None]
        return pixels

    @cached_property
    def gini(self) -> Numbers:
        """Gini coefficient, shape (N,)."""
        return gini(self.images, self.bright)

    @cached_property
    def m20(self) -> Numbers:
        """Second moment of the brightest pixels, shape (N,)."""
        return m20(self.images, self.bright)

    def _distances(self, centres: Numbers, shape: Numbers | None = None) -> Distances:
        return distances(self.images, centres, shape, exact=self._exact)

    def _petrosian(self, distance: Distances, growth: Growth) -> Numbers:
        found = photometry.petrosian_radius(growth)
        if not self._exact:
            return found
        return photometry.exact_petrosian(self.images, distance, self.valid, found)

    def _known(self, radius: Numbers) -> Numbers:
        """Put a harmless number where there is no radius: what follows is NaN there anyway."""
        return np.where(self.found & np.isfinite(radius), radius, 2.0)
