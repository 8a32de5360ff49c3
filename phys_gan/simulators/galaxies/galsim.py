"""The same galaxies with GalSim, an independent program, instead of our own Fourier transforms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import ImageLayer
from phys_gan.errors import MissingError
from phys_gan.simulators.galaxies.psf import BETA, FWHM

__all__ = ["render"]

_FOLDING = 1e-3
"""Share of the flux that may be folded back; GalSim's own 5e-3 is too much for a reference."""
_LARGEST_TRANSFORM = 1 << 14


def render(layer: ImageLayer, galaxies: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the pixels of galaxies without noise, shape (N, rows, columns).

    References:
        Rowe et al., GalSim: The modular galaxy image simulation toolkit, Astronomy and Computing
        10 (2015) 121, arXiv:1407.7676.

    Arguments:
        layer: The pixels.
        galaxies: The conditions of the galaxies but the noise, (N,) each.

    Raises:
        MissingError: GalSim is not installed.
    """
    try:
        import galsim
    except ImportError:
        raise MissingError(
            "the engine 'galsim' needs GalSim, which is not installed",
            remedy="pip install 'phys_gan[galaxies]', or use the engine 'numpy'",
            value="galsim",
        ) from None
    accuracy = galsim.GSParams(
        folding_threshold=_FOLDING, maximum_fft_size=_LARGEST_TRANSFORM, maxk_threshold=1e-4
    )
    psf = galsim.Moffat(beta=BETA, fwhm=FWHM, gsparams=accuracy)
    rows, columns = layer.shape
    pixels = np.empty((len(galaxies["flux"]), rows, columns))
    for number, stamp in enumerate(pixels):
        one = {name: float(values[number]) for name, values in galaxies.items()}
        profile = galsim.Sersic(
            n=one["sersic_index"],
            half_light_radius=one["half_light_radius"],
            flux=one["flux"],
            gsparams=accuracy,
        )
        # A shear keeps the area, and so the circularised radius.
        turned = profile.shear(q=one["axis_ratio"], beta=one["position_angle"] * galsim.radians)
        image = galsim.Convolve(turned, psf).drawImage(
            nx=columns, ny=rows, scale=layer.pixel_scale, dtype=float
        )
        stamp[:] = image.array
    return pixels
