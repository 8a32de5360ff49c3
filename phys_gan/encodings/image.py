"""The encoding of images: pixels on an asinh scale.

References:
    A Modified Magnitude System that Produces Well-Behaved Magnitudes, Colors, and Errors Even for
    Low Signal-to-Noise Ratio Measurements (Lupton, Gunn and Szalay, 1999), Eq. 3,
    https://arxiv.org/abs/astro-ph/9903081
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from phys_gan.detectors import Detector
from phys_gan.encodings.base import Encoding, EncodingConfig
from phys_gan.errors import DetectorError
from phys_gan.events import Events

# Pixels may be e^3 = 20 times as bright as the brightest of the training events.
_HEADROOM = 3.0
_TOP = 80.0
_SAMPLE = 2000


class ImageEncodingConfig(EncodingConfig):
    """Options of :class:`ImageEncoding`.

    Attributes:
        softening: Where the scale turns from linear to logarithmic, in units of the noise of a
            pixel. Networks add noise to encoded pixels: where these are not linear, it gets tails
            that no sky has.
    """

    kind: Literal["image"] = "image"
    softening: float = Field(default=8.0, gt=0)

    @property
    def references(self) -> tuple[str, ...]:
        """Asinh magnitudes."""
        return ("lupton1999asinh",)


class ImageEncoding(Encoding):
    r"""Encode each pixel on a scale that is linear in the noise and logarithmic in the galaxy.

    .. math:: y = \operatorname{asinh}(x / s), \qquad x = s \sinh y

    with one softening s per band: a multiple of the noise of a pixel, which is the median over
    images of 1.4826 times the median absolute deviation of the pixels at the border. Nothing is
    subtracted or cut: the background, and noise below zero, are kept. Pixels end at 20 times the
    brightest of the training events, so that any output of a network is finite.

    Raises:
        DetectorError: The detector is not an image.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> ImageEncoding(load_detector("cosmos-64")).n_numbers
        4096
    """

    n_globals = 0
    soft: Tensor
    top: Tensor

    def __init__(self, detector: Detector, config: ImageEncodingConfig | None = None) -> None:
        if not detector.is_image:
            raise DetectorError(
                f"'{detector.name}' is not an image, but this encoding is for images",
                remedy="choose encoding.kind = 'shower' for calorimeters, 'standard' for points",
                value=detector.name,
            )
        config = config or ImageEncodingConfig()
        super().__init__(detector, config)
        self.softening = config.softening
        self.register_buffer("soft", torch.ones(detector.n_layers))
        self.register_buffer("top", torch.full((detector.n_layers,), _TOP))

    def _fit(self, events: Events) -> None:
        images = [np.asarray(events.layer(k)) for k in range(self.detector.n_layers)]
        for k, image in enumerate(images):
            noise = _border_noise(image[:_SAMPLE])
            if not noise:
                # A background without noise: the scale of the pixels themselves.
                noise = float(np.abs(image).mean()) or 1.0
            self.soft[k] = self.softening * noise
            self.top[k] = math.asinh(float(np.abs(image).max()) / float(self.soft[k]))

    def encode_cells(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Encode pixels (N, n_cells)."""
        return torch.asinh(cells / self._per_pixel(self.soft))

    def decode(self, encoded: Tensor, conditions: Tensor) -> Tensor:
        """Undo :meth:`encode_cells`; also of the raw output of a network."""
        return torch.sinh(self.constrain(encoded, conditions)) * self._per_pixel(self.soft)

    def constrain(self, raw: Tensor, conditions: Tensor) -> Tensor:
        """Limit pixels to 20 times the brightest of the training events."""
        top = self._per_pixel(self.top + _HEADROOM)
        return raw.clamp(-top, top)

    def _per_pixel(self, per_band: Tensor) -> Tensor:
        return per_band.repeat_interleave(self.detector.layers[0].n_cells)


def _border_noise(images: np.ndarray) -> float:
    """Return the noise of a pixel of images (N, rows, columns), from their borders."""
    border = np.concatenate(
        [images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1
    )
    middle = np.median(border, axis=1, keepdims=True)
    return float(np.median(1.4826 * np.median(np.abs(border - middle), axis=1)))
