"""Target galsim: galaxy stamps by the conventions of GalSim Hub, inputs by name, a stamp out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from phys_gan.detectors import ImageLayer
from phys_gan.errors import DetectorError
from phys_gan.generation.export.target import Options, Port, Target, target
from phys_gan.model import Model

_SCRIPT = '''\
"""Draw galaxies with {file} and GalSim; needs galsim and onnxruntime.

The stamps are as the training images were: with their PSF, and with their noise.
"""

import galsim
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{file}", providers=["CPUExecutionProvider"])
attributes = session.get_modelmeta().custom_metadata_map
stamp_size, pixel_size = int(attributes["stamp_size"]), float(attributes["pixel_size"])
rng = galsim.BaseDeviate(1)
n = 4

random_normal = np.empty(n * {latent})
galsim.GaussianDeviate(rng).generate(random_normal)
uniform = np.random.default_rng(1).uniform
catalogue = {{
{conditions}}}
stamps = session.run(
    None,
    {{"random_normal": random_normal.reshape(n, {latent}).astype(np.float32), **catalogue}},
)[0]
galaxies = [
    galsim.InterpolatedImage(galsim.Image(stamp.astype(np.float64), scale=pixel_size))
    for stamp in stamps
]
print([galaxy.flux for galaxy in galaxies])
'''


@target
class GalSim(Target):
    """Conditions (N,) by name and ``random_normal`` in, stamps (N, size, size) out.

    The attributes of a module of GalSim Hub, ``stamp_size`` and ``pixel_size`` [arcsec], are
    metadata of the file.

    Raises:
        DetectorError: The events are not square images of one band.
    """

    name = "galsim"
    order = "rows outer (y), columns fastest (x)"

    def __init__(self, model: Model, options: Options) -> None:
        super().__init__(model, options)
        layer = self.detector.layers[0]
        if (
            not isinstance(layer, ImageLayer)
            or self.detector.n_layers > 1
            or layer.rows != layer.columns
        ):
            raise DetectorError(
                f"GalSim takes square images of one band, not those of '{self.detector.name}'",
                remedy="choose --target generic",
                value=self.detector.name,
            )
        self.side, self.pixel_scale = layer.rows, layer.pixel_scale
        self.unit = self.detector.cell_unit
        self.inputs = (
            Port("random_normal", ("N", self.pipeline.latent), "standard normal numbers"),
            *(Port(name, ("N",), f"condition '{name}'") for name in self.named),
        )
        self.output = Port("stamp", ("N", self.side, self.side), f"pixels [{self.unit}]")

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map random_normal (N, latent) and conditions, each (N,), to stamps."""
        noise, *conditions = inputs
        cells: Tensor = self.pipeline(noise, dict(zip(self.named, conditions, strict=True)))
        stamps: Tensor = cells.unflatten(1, (self.side, self.side))
        return stamps

    def companions(self, out: Path) -> dict[Path, str]:
        """Return a program in Python."""
        rows = self.pipeline.encoding.ranges.tolist()
        conditions = "".join(
            f'    "{name}": uniform({low:.9g}, {high:.9g}, n).astype(np.float32),\n'
            for name, (low, high) in zip(self.named, rows, strict=True)
        )
        text = _SCRIPT.format(file=out.name, latent=self.pipeline.latent, conditions=conditions)
        return {out.with_suffix(".py"): text}

    def settings(self) -> dict[str, Any]:
        """Return the attributes of a module."""
        return {"stamp_size": self.side, "pixel_size": self.pixel_scale}
