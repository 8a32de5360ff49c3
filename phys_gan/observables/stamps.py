""":class:`Stamps`: many images of galaxies, and the quantities that several observables share."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from phys_gan.observables import morphology, photometry
from phys_gan.observables.moments import Adaptive, adaptive_moments, plain_moments
from phys_gan.observables.photometry import Distances, Flags, Floats, Growth
from phys_gan.observables.sums import Numbers

_LEAST_SIGNAL = 5.0
_CENTRE = 0.05


class Stamps:
    """Measure N images of one galaxy each; all quantities are in pixels, and computed once.

    The position and the shape of a galaxy are those of its adaptive moments; with a segmentation
    map those of the plain moments within it instead, as in statmorph. What follows from the shape
    is NaN where there is no galaxy: where the adaptive moments do not converge or the signal is
    below 5 times its noise.

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
        segment: Flags | None = None,
        valid: Flags | None = None,
        sky: Floats | None = None,
        tolerance: float = _CENTRE,
        exact: bool = False,
    ) -> None:
        self.images = images if valid is None else np.where(valid, images, 0)
        self.valid, self.segment = valid, segment
        self.sky = photometry.corner_boxes(images) if sky is None else sky
        self._tolerance, self._exact = tolerance, exact
        rows, columns = images.shape[1:]
        self.middle = (columns - 1) / 2, (rows - 1) / 2

    def __len__(self) -> int:
        return len(self.images)

    # Light

    @cached_property
    def _sky_level_noise(self) -> tuple[Numbers, Numbers]:
        return photometry.sky_level_noise(self.sky)

    @property
    def level(self) -> Numbers:
        """Median of the sky, shape (N,)."""
        return self._sky_level_noise[0]

    @property
    def noise(self) -> Numbers:
        """Standard deviation of the sky, from the median absolute deviation, shape (N,)."""
        return self._sky_level_noise[1]

    @cached_property
    def flux(self) -> Numbers:
        """Sum of all pixels, shape (N,)."""
        return np.asarray(self.images.sum(axis=(1, 2), dtype=np.float64))

    @cached_property
    def sorted(self) -> Floats:
        """The pixels of each image in rising order, shape (N, n_pixels)."""
        return np.sort(self.images.reshape(len(self), -1), axis=1)

    def pixel_quantile(self, percent: int) -> Floats:
        """Pixel that this percentage of the pixels of an image does not exceed, shape (N,)."""
        return self.sorted[:, round(percent / 100 * (self.sorted.shape[1] - 1))]

    def brightness(self, inner: float, outer: float) -> Numbers:
        """Mean pixel between two radii, in units of half the side of the image, shape (N,)."""
        half = min(self.images.shape[1:]) / 2
        return self.growth.brightness(half * inner, half * outer)

    @cached_property
    def _power(self) -> Numbers:
        return photometry.band_power(self.images)

    def power_in(self, band: int) -> Numbers:
        """Log10 of the power in a band of wave numbers, shape (N,)."""
        return self._power[:, band]

    # Position and shape

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
    def found(self) -> Flags:
        """Whether there is a galaxy, shape (N,)."""
        if self.segment is not None:
            return np.ones(len(self), bool)
        return np.asarray(self.signal_to_noise >= _LEAST_SIGNAL)

    def where_found(self, values: Numbers) -> Numbers:
        """Return values (N,) of the galaxies; NaN without one."""
        return np.where(self.found, values, np.nan)

    @cached_property
    def centres(self) -> Numbers:
        """First centre (x, y) of the galaxies; the middle of the image without one, (N, 2)."""
        if self.segment is not None:
            return plain_moments(np.where(self.segment, self.images, 0))[0]
        return np.where(self.found[:, None], self.adaptive.centres, self.middle)

    @cached_property
    def covariance(self) -> Numbers:
        """Shape (xx, xy, yy) of the galaxies; a circle without one, (N, 3)."""
        if self.segment is not None:
            within = np.where(self.segment, self.images, 0)
            return plain_moments(within, self.asymmetry.centres)[1]
        return np.where(self.found[:, None], self.adaptive.covariance, photometry.CIRCLE)

    @cached_property
    def axis_ratio(self) -> Numbers:
        """Minor over major axis of this shape, shape (N,)."""
        xx, xy, yy = self.covariance.T
        mean, difference = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
        return np.asarray(np.sqrt((mean - difference) / (mean + difference)))

    # Radii

    @cached_property
    def asymmetry(self) -> morphology.Asymmetry:
        """Centre of least asymmetry, and the asymmetry."""
        around = self._distances(self.centres)
        petrosian = self._petrosian(around, Growth(self.images, around, self.valid))
        return morphology.asymmetry(
            self.images,
            self.centres,
            self._or_two(petrosian),
            morphology.sky_asymmetry(self.sky),
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
        return self.where_found(self._petrosian(self.distance, self.growth))

    def radius_of(self, fraction: float) -> Numbers:
        """Radius [pixel] with a fraction of the light within 1.5 Petrosian radii, shape (N,)."""
        total = self.growth.at(morphology.EXTENT * self.petrosian)
        return photometry.fraction_radius(self.growth, total, fraction)

    # Morphology

    @cached_property
    def concentration(self) -> Numbers:
        r"""Concentration :math:`C = 5 \log_{10}(r_{80} / r_{20})`, shape (N,).

        References:
            The Relationship between Stellar Light Distributions of Galaxies and Their Formation
            Histories (Conselice, 2003), section 3.1, https://arxiv.org/abs/astro-ph/0303065
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(5 * np.log10(self.radius_of(0.8) / self.radius_of(0.2)))

    @cached_property
    def smoothness(self) -> Numbers:
        """Clumpiness, shape (N,)."""
        radius = self._or_two(self.petrosian)
        result = morphology.smoothness(self.images, self.distance, radius, self.sky)
        return np.where(np.isfinite(self.petrosian), result, np.nan)

    @cached_property
    def bright(self) -> Flags:
        """Pixels above the Petrosian isophote, like the images; none where there is none."""
        around = self._distances(self.asymmetry.centres, self.covariance)
        petrosian = self._petrosian(around, Growth(self.images, around, self.valid))
        ring = self._distances(self.centres, self.covariance)
        radius = self._or_two(petrosian)
        pixels = morphology.petrosian_segment(self.images, ring, radius, self.axis_ratio)
        pixels &= (self.found & np.isfinite(petrosian))[:, None, None]
        return pixels

    @cached_property
    def gini(self) -> Numbers:
        """Gini coefficient, shape (N,)."""
        return morphology.gini(self.images, self.bright)

    @cached_property
    def m20(self) -> Numbers:
        """Second moment of the brightest pixels, shape (N,)."""
        return morphology.m20(self.images, self.bright)

    def _distances(self, centres: Numbers, shape: Numbers | None = None) -> Distances:
        return photometry.distances(self.images, centres, shape, exact=self._exact)

    def _petrosian(self, distance: Distances, growth: Growth) -> Numbers:
        radius = photometry.petrosian_radius(growth)
        if not self._exact:
            return radius
        return photometry.exact_petrosian(self.images, distance, self.valid, radius)

    def _or_two(self, radius: Numbers) -> Numbers:
        """Put 2 pixels where there is no radius; what follows is discarded there."""
        return np.where(self.found & np.isfinite(radius), radius, 2.0)
