"""Target ddml-grid: key4hep's DDML, ddsim with a generator of 30 layers of 30 x 30 cells.

DDML (``RegularGridGANModel``) draws 100 uniform numbers per shower. :class:`LatentsOfUniforms`
derives standard normal latents from them inside the graph.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from phys_gan.detectors import CartesianLayer, Detector
from phys_gan.errors import DetectorError
from phys_gan.generation.export.target import Arrays, Options, Port, Target, target
from phys_gan.model import Model
from phys_gan.randomness import normal_noise
from phys_gan.units import find_particle

_WORD = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9
"""2^32 over the golden ratio: multiples of it are spread over all words."""

_CENTRE = (
    (3.3871327179, 50.434271938, 159.29113202, 59.109374720),
    (1.0, 17.895169469, 78.757757664, 67.187563600),
)
_TAIL = (
    (1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103),
    (1.0, 0.73700164250, 0.12021132975),
)


def normal_quantile(z: Tensor) -> Tensor:
    r"""Map numbers uniform in (-1, 1) to standard normal ones.

    .. math:: x = \Phi^{-1}((1 + z) / 2)

    by rational functions that are right to seven digits; ONNX has no such operator. What lies
    further out than float32 can tell from 1 stays at +-5.4.

    References:
        Algorithm AS 241: The Percentage Points of the Normal Distribution (Wichura, 1988), PPND7,
        https://doi.org/10.2307/2347330

    Example:
        >>> normal_quantile(torch.tensor([0.0, 0.6826895, -1.0])).round(decimals=3).tolist()
        [0.0, 1.0, -5.42...]
    """
    half = z / 2
    near = 0.180625 - half.square().clamp_max(0.180625)
    centre = half * _ratio(near, _CENTRE)
    beyond = ((1 - z.abs()) / 2).clamp_min(2.0**-25)
    tail = _ratio((-beyond.log()).sqrt() - 1.6, _TAIL)
    return torch.where(half.abs() <= 0.425, centre, torch.sign(z) * tail)


def _ratio(x: Tensor, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Tensor:
    """Return a ratio of two polynomials, each by its coefficients from the constant on."""
    values = []
    for row in coefficients:
        y = torch.full_like(x, row[-1])
        for coefficient in row[-2::-1]:
            y = y * x + coefficient
        values.append(y)
    return values[0] / values[1]


def _times(h: Tensor, factor: int) -> Tensor:
    """Multiply words by a constant modulo 2^32, without ever leaving 63 bits."""
    high = (h // 65536 * factor) & 0xFFFF
    return (high * 65536 + (h & 0xFFFF) * factor) & _WORD


def _mix(h: Tensor) -> Tensor:
    """Map words of 32 bits one-to-one to words so that each bit depends on all of them.

    References:
        Hash Function Prospector (Wellons, 2018), the function ``lowbias32``,
        https://github.com/skeeto/hash-prospector
    """
    h = _times(h ^ (h // (1 << 16)), 0x7FEB352D)
    h = _times(h ^ (h // (1 << 15)), 0x846CA68B)
    return h ^ (h // (1 << 16))


class LatentsOfUniforms(nn.Module):
    """Make any number of standard normal latents of a fixed number of uniform ones.

    The first latents are the quantiles of the uniform numbers themselves. The others are those of
    a counter-based random generator: all bits of the uniform numbers make a key of 64 bits, and
    latent number j is a hash of the key and j. The same input always makes the same event; two
    inputs have the same key with probability 2^-64.

    Arguments:
        n_given: Uniform numbers that the consumer draws.
        n_wanted: Latents that the model needs.
    """

    places: Tensor
    counter: Tensor

    def __init__(self, n_given: int, n_wanted: int) -> None:
        super().__init__()
        self.n_given, self.n_wanted = n_given, n_wanted
        n_more = max(n_wanted - n_given, 0)
        self.register_buffer("places", torch.arange(1, n_given + 1) * _GOLDEN & _WORD)
        self.register_buffer("counter", torch.arange(1, n_more + 1) * _GOLDEN & _WORD)

    def forward(self, z: Tensor) -> Tensor:
        """Map z (N, n_given), uniform in (-1, 1), to latents (N, n_wanted)."""
        if self.n_wanted <= self.n_given:
            return normal_quantile(z[:, : self.n_wanted])
        words = ((z + 1) * 2.0**23).long() & _WORD
        first, second = self._key(words, 0), self._key(words, 0x5BD1E995)
        drawn = _mix(_mix(self.counter ^ first) ^ second)
        # The middle of each of 2^32 equal parts of (-1, 1).
        more = (2 * drawn + 1 - 2**32).to(z.dtype) * 2.0**-32
        return normal_quantile(torch.cat([z, more], dim=1))

    def _key(self, words: Tensor, salt: int) -> Tensor:
        """Turn words (N, n_given) into one of 32 bits, (N, 1), in which the order counts."""
        mixed = _mix(_mix(words ^ salt) ^ self.places)
        return _mix(mixed.sum(1, keepdim=True) & _WORD)


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


@target
class DdmlGrid(Target):
    """100 numbers uniform in (-1, 1) and E [GeV] in, 30 layers of 30 x 30 cells [MeV] out.

    DDML always draws 100 numbers; what a model needs beyond them is derived inside the graph
    (:class:`LatentsOfUniforms`). Of a larger detector the first 30 layers and their central 30 x 30
    cells are taken.

    Raises:
        DetectorError: The detector does not have that many regular cells around its axis.
    """

    name = "ddml-grid"
    single = True
    showers = True
    unit = "MeV"
    order = "layer, x, y, with y fastest"

    def __init__(self, model: Model, options: Options) -> None:
        super().__init__(model, options)
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
        """The fraction of the energy in the cells taken, of events over the range."""
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
        f"or cuts them out of more, an even number on each side, which '{detector.name}' does not "
        "have",
        remedy="train on such cells, as in ild-ecal, or choose --target generic",
        value=detector.name,
    )


def _centred(edges: NDArray[np.float64]) -> bool:
    """Return whether 30 regular cells have the axis in their middle."""
    n = len(edges) - 1
    regular = np.allclose(np.diff(edges), edges[1] - edges[0])
    return bool(n >= _SIDE and n % 2 == 0 and regular and np.allclose(edges, -edges[::-1]))
