"""key4hep's DDML: ddsim with a generator of 30 layers of 30 x 30 cells (RegularGridGANModel)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from phys_gan.detectors import CartesianLayer, Detector
from phys_gan.errors import DetectorError
from phys_gan.generation.export.noise import LatentsOfUniforms
from phys_gan.generation.export.target import Arrays, Options, Port, Target, require_showers
from phys_gan.model import Model
from phys_gan.particles import find_particle
from phys_gan.randomness import normal_noise

__all__ = ["DdmlGrid"]

_SIDE = 30
_UNIFORMS = 100

_STEERING = '''\
"""Steering of ddsim with DDML and {file}: ddsim --steeringFile {steering} --compactFile ...

The names of detector and regions are those of ILD; change them for another one.
"""

from DDSim.DD4hepSimulation import DD4hepSimulation
from g4units import GeV

SIM = DD4hepSimulation()

PARTICLES = {particles}
# The model learned showers of {low:.6g} to {high:.6g} GeV; Geant4 simulates those below.
LOWEST = {low:.9g} * GeV


def fast_showers(kernel):
    """Let the model make the showers in the barrel and in the endcaps."""
    from DDG4 import DetectorConstruction, Geant4, PhysicsList

    sequence = Geant4(kernel).detectorConstruction()
    for plugin, detector, region in (
        ("RegularGridGANPolyhedraBarrelONNXModel/Barrel", "EcalBarrel", "EcalBarrelRegion"),
        ("RegularGridGANEndcapONNXModel/Endcap", "EcalEndcap", "EcalEndcapRegion"),
    ):
        model = DetectorConstruction(kernel, plugin)
        model.RegionName = region
        model.Detector = detector
        if "Barrel" in plugin:
            model.Symmetry = 8
        model.Enable = True
        model.CorrectForAngles = True
        model.ApplicableParticles = set(PARTICLES)
        model.Etrigger = dict.fromkeys(PARTICLES, LOWEST)
        model.ModelPath = "{file}"
        model.OptimizeFlag = 1
        model.LatentVectorSize = 100
        model.NCellsX, model.NCellsY, model.NCellsZ = 30, 30, 30
        model.CellSizeX, model.CellSizeY = {width:.9g}, {height:.9g}
        model.enableUI()
        sequence.adopt(model)

    physics = PhysicsList(kernel, "Geant4FastPhysics/FastPhysicsList")
    physics.EnabledParticles = PARTICLES
    physics.enableUI()
    kernel.physicsList().adopt(physics)


SIM.physics.setupUserPhysics(fast_showers)
'''


class DdmlGrid(Target):
    """100 numbers uniform in (-1, 1) and E [GeV] in, 30 layers of 30 x 30 cells [MeV] out.

    DDML always draws 100 numbers; what a model needs beyond them is derived inside the graph
    (:class:`~phys_gan.generation.export.noise.LatentsOfUniforms`). Of a larger detector the first
    30 layers and their central 30 x 30 cells are taken.

    Raises:
        DetectorError: The detector has not that many regular cells around its axis.
    """

    name = "ddml-grid"
    single = True
    unit = "MeV"
    order = "layer, x, y, with y fastest"

    def __init__(self, model: Model, options: Options) -> None:
        super().__init__(model, options)
        require_showers(self)
        self.size = _cell_size(self.detector)
        self.shape = (self.detector.n_layers, *self.detector.layers[0].shape)
        self.start = tuple((n - _SIDE) // 2 for n in self.shape[1:])
        self.latents = LatentsOfUniforms(_UNIFORMS, self.pipeline.latent)
        ones = (1, 1, 1)
        self.inputs = (
            Port("noise", ("N", _UNIFORMS, *ones), "uniform in (-1, 1)"),
            Port("energy", ("N", 1, *ones), "incident kinetic energy [GeV]"),
        )
        self.output = Port("cells", ("N", _SIDE, _SIDE, _SIDE), "cells [MeV]")

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map noise (N, 100, 1, 1, 1) and E (N, 1, 1, 1, 1) to cells (N, 30, 30, 30)."""
        noise, energy = inputs
        z = self.latents(noise.flatten(1))
        cells: Tensor = self.pipeline(z, {"energy": energy.flatten(1)[:, 0] * 1000})
        return self._cut(cells)

    def _cut(self, cells: Tensor) -> Tensor:
        x, y = self.start
        layers: Tensor = cells.unflatten(1, self.shape)
        return layers[:, :_SIDE, x : x + _SIDE, y : y + _SIDE]

    @cached_property
    def kept(self) -> float:
        """The share of the energy that lies in the cells taken, of events over the range."""
        if self.shape == (_SIDE, _SIDE, _SIDE):
            return 1.0
        low, high = self.energy_range
        z = torch.from_numpy(normal_noise(0, 0, 32, self.pipeline.latent))
        energy = torch.logspace(math.log10(low), math.log10(high), len(z), dtype=torch.float64)
        with torch.no_grad():
            cells = self.pipeline(z, {"energy": energy})
        return float(self._cut(cells).sum() / cells.sum())

    def draw(self, named: Mapping[str, NDArray[np.float64]], rng: np.random.Generator) -> Arrays:
        """Draw the uniform numbers."""
        energy = named["energy"].astype(np.float32) / np.float32(1000)
        noise = rng.uniform(-1, 1, (len(energy), _UNIFORMS, 1, 1, 1)).astype(np.float32)
        return noise, energy.reshape(-1, 1, 1, 1, 1)

    def companions(self, out: Path) -> dict[Path, str]:
        """Return a steering file."""
        steering = out.with_suffix(".py")
        particle = find_particle(self.options.particle).name
        electromagnetic = particle in ("gamma", "e-", "e+")
        low, high = self.energy_range
        text = _STEERING.format(
            file=out.name,
            steering=steering.name,
            particles=["e+", "e-", "gamma"] if electromagnetic else [particle],
            low=low / 1000,
            high=high / 1000,
            width=self.size[0],
            height=self.size[1],
        )
        return {steering: text}

    def settings(self) -> dict[str, Any]:
        """Return the properties of the plug-in, and which cells are taken."""
        x, y = self.start
        return {
            "LatentVectorSize": _UNIFORMS,
            "NCellsX": _SIDE,
            "NCellsY": _SIDE,
            "NCellsZ": _SIDE,
            "CellSizeX": self.size[0],
            "CellSizeY": self.size[1],
            "latents_derived_inside": max(self.pipeline.latent - _UNIFORMS, 0),
            "cells_taken": {
                "of": list(self.shape),
                "layers": [0, _SIDE],
                "x": [x, x + _SIDE],
                "y": [y, y + _SIDE],
                "share_of_energy": round(self.kept, 5),
            },
        }


def _cell_size(detector: Detector) -> tuple[float, float]:
    """Return the size of the cells [mm] along x and y."""
    first = detector.layers[0]
    if isinstance(first, CartesianLayer) and detector.n_layers >= _SIDE:
        alike = all(
            isinstance(layer, CartesianLayer)
            and layer.shape == first.shape
            and np.allclose(layer.x, first.x)
            and np.allclose(layer.y, first.y)
            for layer in detector.layers
        )
        if alike and all(_centred(np.asarray(edges)) for edges in (first.x, first.y)):
            return first.x[1] - first.x[0], first.y[1] - first.y[0]
    raise DetectorError(
        f"DDML takes {_SIDE} layers of {_SIDE} x {_SIDE} regular Cartesian cells around the axis, "
        f"or cuts them out of more, an even number on each side, which '{detector.name}' has not",
        remedy="train on such cells, as in ild-ecal, or choose --target generic",
        value=detector.name,
    )


def _centred(edges: NDArray[np.float64]) -> bool:
    """Return whether 30 regular cells have the axis in their middle."""
    n = len(edges) - 1
    regular = np.allclose(np.diff(edges), edges[1] - edges[0])
    return bool(n >= _SIDE and n % 2 == 0 and regular and np.allclose(edges, -edges[::-1]))
