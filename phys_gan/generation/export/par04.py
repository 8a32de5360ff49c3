"""Target par04: Geant4's extended example Par04, a fraction of the incident energy per cell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.errors import DetectorError
from phys_gan.generation.export.target import Arrays, Options, Port, Target, target
from phys_gan.model import Model

_MAX_ENERGY = 1_024_000.0
"""The energy [MeV] that Par04 calls 1."""

_MACRO = """\
# Geant4 extended example Par04 (11.4 or later) with {file}: run it in the folder of the example's
# macros, with {file} beside them. The model learned showers of {low:.6g} to {high:.6g} MeV.
/control/execute common_settings_lowgran.mac
/Par04/mesh/setSizeOfRhoCells {rho:.9g} mm
/Par04/mesh/setSizeOfZCells {depth:.9g} mm
/Par04/mesh/setNbOfRhoCells {n_rho}
/Par04/mesh/setNbOfPhiCells {n_phi}
/Par04/mesh/setNbOfZCells {n_z}
/run/initialize
/control/execute common_settings_postInit.mac
# The model needs {latent} normal numbers: one for each cell, and some for the shower as a whole.
/Par04/inference/setSizeLatentVector {latent}
/Par04/inference/setSizeConditionVector 4
/Par04/inference/setModelPathName {file}
/Par04/inference/setModelType VAE
/Par04/inference/setProfileFlag 0
/Par04/inference/setOptimizationFlag 0
/Par04/inference/setCudaFlag 0
/Par04/inference/setInferenceLibrary ONNX
/Par04/inference/setSizeOfRhoCells {rho:.9g} mm
/Par04/inference/setSizeOfZCells {depth:.9g} mm
/Par04/inference/setNbOfRhoCells {n_rho}
/Par04/inference/setNbOfPhiCells {n_phi}
/Par04/inference/setNbOfZCells {n_z}
/analysis/setFileName {stem}.root
/param/ActivateModel defineMesh
/param/ActivateModel inferenceModel
/run/beamOn 100
"""


@target
class Par04(Target):
    """One input (1, L + 4): latents, E / 1.024 TeV, theta / 90 degrees, and two for the geometry.

    The model knows a single detector and showers along its axis, so angle and geometry are not
    used. Par04 multiplies the output by the incident energy; outside the range of the training
    events this scales the shower at the edge of the range.

    Raises:
        DetectorError: The cells are not a regular cylindrical mesh.
    """

    name = "par04"
    single = True
    twin = True
    showers = True
    unit = "fraction of the incident kinetic energy"
    order = "((i_r * n_phi) + i_phi) * n_z + i_z, z fastest; phi begins at -pi"

    def __init__(self, model: Model, options: Options) -> None:
        super().__init__(model, options)
        self.rho, self.depth = _mesh(self.detector)
        self.n_phi, self.n_rho = self.detector.layers[0].shape
        latent = self.pipeline.latent
        self.inputs = (
            Port(
                "input",
                ("N", latent + 4),
                f"{latent} standard normal numbers, E / {_MAX_ENERGY:.0f} MeV, theta / 90 deg "
                "(not used), two numbers of the geometry (not used)",
            ),
        )
        self.output = Port("output", ("N", self.detector.n_cells), self.unit)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map (N, L + 4) to cells (N, n_r * n_phi * n_z)."""
        (packed,) = inputs
        latent = self.pipeline.latent
        energy = self.pipeline.clamped("energy", packed[:, latent] * _MAX_ENERGY)
        cells: Tensor = self.pipeline(packed[:, :latent], {"energy": energy})
        cells = cells.unflatten(1, (self.detector.n_layers, self.n_phi, self.n_rho))
        return cells.permute(0, 3, 2, 1).flatten(1) / energy.float()[:, None]

    def draw(self, named: Mapping[str, NDArray[np.float64]], rng: np.random.Generator) -> Arrays:
        """Draw vectors as Par04 fills them."""
        energy = named["energy"]
        z = rng.standard_normal((len(energy), self.pipeline.latent))
        angle = rng.uniform(0, 1, len(energy))
        rest = [energy / _MAX_ENERGY, angle, np.zeros_like(energy), np.ones_like(energy)]
        return (np.column_stack([z, *rest]).astype(np.float32),)

    def companions(self, out: Path) -> dict[Path, str]:
        """Return a macro."""
        low, high = self.energy_range
        text = _MACRO.format(
            file=out.name,
            stem=out.stem,
            low=low,
            high=high,
            latent=self.pipeline.latent,
            rho=self.rho,
            depth=self.depth,
            n_rho=self.n_rho,
            n_phi=self.n_phi,
            n_z=self.detector.n_layers,
        )
        return {out.with_suffix(".mac"): text}

    def settings(self) -> dict[str, Any]:
        """Return the commands whose values the model fixes."""
        return {
            "setSizeLatentVector": self.pipeline.latent,
            "setSizeConditionVector": 4,
            "setModelType": "VAE",
            "setNbOfRhoCells": self.n_rho,
            "setNbOfPhiCells": self.n_phi,
            "setNbOfZCells": self.detector.n_layers,
            "setSizeOfRhoCells": f"{self.rho:.9g} mm",
            "setSizeOfZCells": f"{self.depth:.9g} mm",
        }


def _mesh(detector: Detector) -> tuple[float, float]:
    """Return the size of the cells [mm] along r and z."""
    first = detector.layers[0]
    if isinstance(first, PolarLayer):
        size = (first.r[-1] - first.r[0]) / (len(first.r) - 1)
        regular = first.r[0] == 0 and np.allclose(np.diff(first.r), size)
        alike = all(
            isinstance(layer, PolarLayer)
            and layer.n_alpha == first.n_alpha
            and len(layer.r) == len(first.r)
            and np.allclose(layer.r, first.r)
            and np.isclose(layer.thickness, first.thickness)
            for layer in detector.layers
        )
        if regular and alike:
            return size, first.thickness
    raise DetectorError(
        f"Par04 has one regular cylindrical mesh, but the layers of '{detector.name}' are not "
        "polar layers of one shape with rings of one width from r = 0",
        remedy="train on such cells, as in par04-9x16x45, or choose --target generic",
        value=detector.name,
    )
