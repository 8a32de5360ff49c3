"""Target fastcalosim: a GAN in ATLAS' FastCaloSim, with the binning.xml that it reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.errors import DetectorError, RangeError
from phys_gan.generation.export.target import Arrays, Options, Port, Target, target
from phys_gan.model import Model
from phys_gan.units import Particle, find_particle

_SLOTS = {
    "photons and electrons above 4.096 GeV (High12)": (("gamma", "e-"), 12, 22),
    "photons and electrons below (UltraLow12)": (("gamma", "e-"), 6, 12),
    "pions (All)": (("pi+",), 8, 22),
    "protons (High10)": (("proton",), 10, 22),
}
"""Particles of each network of FastCaloSim, and the powers of 2 MeV of its momenta."""

_TEXT = """\
FastCaloSim with {file}

Rename it neural_net_<pid>_eta_<min>_<max>_<energies>.onnx, as FastCaloSim looks for it, and put
binning.xml beside it. Set etaMin, etaMax and regionId there: they stand for the pseudorapidity in
hundredths, 20 to 25 now. ganVersion is 2, so that FastCaloSim fills mycond with two numbers, of
which the second one, always 0, is not used. latentDim is {latent}, what the model needs.

mycond[0] = ln(E_kin / E_min) / ln(E_max / E_min) with
    E_min = {low:.9g} MeV
    E_max = {high:.9g} MeV
Outside {inner_low:.6g} to {inner_high:.6g} MeV, the range of the training events, the shower at
the edge of the range is taken, and FastCaloSim scales it as a whole with E_kin.
FastCaloSim fixes E_min and E_max; a network for one of its places is exported with

{slots}
"""


@target
class FastCaloSim(Target):
    """``Noise`` ~ N(0.5, 0.5) and ``mycond`` in, the fraction of E_kin in each cell out.

    Raises:
        DetectorError: The layers are not polar, or not as FastCaloSim reads them.
        RangeError: The energies at which the condition is 0 and 1 are not in order.
    """

    name = "fastcalosim"
    single = True
    showers = True
    unit = "fraction of the incident kinetic energy"
    order = "layer by layer in rising id; within a layer r outer, alpha fastest, from -pi"
    index: Tensor

    def __init__(self, model: Model, options: Options) -> None:
        super().__init__(model, options)
        layers = _layers(self.detector)
        self.particle = find_particle(options.particle)
        self.ends = options.energy_range or self.energy_range
        if not 0 < self.ends[0] < self.ends[1]:
            raise RangeError(
                f"E_min = {self.ends[0]:g} MeV and E_max = {self.ends[1]:g} MeV are not a range",
                remedy="give --energy-range LOW:HIGH, as FastCaloSim has it for this particle",
                value=self.ends,
            )
        flat = np.arange(self.detector.n_cells)
        turned = [flat[self.detector.slice(k)].reshape(layer.shape).T.ravel()
                  for k, layer in enumerate(layers)]  # fmt: skip
        self.register_buffer("index", torch.from_numpy(np.concatenate(turned)))
        latent = self.pipeline.latent
        self.inputs = (
            Port("Noise", ("N", latent), "normal numbers of mean 0.5 and standard deviation 0.5"),
            Port("mycond", ("N", 2), "ln(E_kin / E_min) / ln(E_max / E_min), and 0 (not used)"),
        )
        self.output = Port("cells", ("N", self.detector.n_cells), self.unit)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map Noise (N, latent) and mycond (N, 2) to cells (N, n_cells)."""
        noise, condition = inputs
        low, high = self.ends
        asked = low * (condition[:, 0].double() * math.log(high / low)).exp()
        energy = self.pipeline.clamped("energy", asked)
        cells: Tensor = self.pipeline((noise - 0.5) * 2, {"energy": energy})
        return cells.index_select(1, self.index) / energy.float()[:, None]

    def draw(self, named: Mapping[str, NDArray[np.float64]], rng: np.random.Generator) -> Arrays:
        """Draw noise, and scale energies."""
        low, high = self.ends
        # A particle at rest has the condition -inf, as FastCaloSim computes it.
        with np.errstate(divide="ignore"):
            position = np.log(named["energy"] / low) / math.log(high / low)
        noise = rng.normal(0.5, 0.5, (len(position), self.pipeline.latent))
        condition = np.column_stack([position, np.zeros_like(position)])
        return noise.astype(np.float32), condition.astype(np.float32)

    def companions(self, out: Path) -> dict[Path, str]:
        """Return the binning and a text on how to use it."""
        low, high = self.energy_range
        text = _TEXT.format(
            file=out.name,
            latent=self.pipeline.latent,
            low=self.ends[0],
            high=self.ends[1],
            inner_low=low,
            inner_high=high,
            slots="\n".join(_slots()),
        )
        binning = _binning(self.detector, self.particle, self.pipeline.latent)
        return {out.with_name("binning.xml"): binning, out.with_suffix(".txt"): text}

    def settings(self) -> dict[str, Any]:
        """Return what binning.xml says, and the ends of the condition."""
        return {
            "pid": self.particle.pdg,
            "latentDim": self.pipeline.latent,
            "ganVersion": 2,
            "E_min [MeV]": self.ends[0],
            "E_max [MeV]": self.ends[1],
        }


def _layers(detector: Detector) -> list[PolarLayer]:
    """Return the layers, if FastCaloSim can read them."""
    layers = [layer for layer in detector.layers if isinstance(layer, PolarLayer)]
    if len(layers) < detector.n_layers:
        problem = f"FastCaloSim has polar layers, which those of '{detector.name}' are not"
    elif any(len(layer.r) == 2 for layer in layers):
        problem = f"FastCaloSim leaves out layers of one ring, and '{detector.name}' has such"
    elif any(layer.n_alpha == 32 for layer in layers):
        problem = f"FastCaloSim joins cells of layers with n_alpha = 32, as '{detector.name}' has"
    else:
        return layers
    raise DetectorError(
        problem,
        remedy="train on other cells, as in calochallenge-1-photons, or choose --target generic",
        value=detector.name,
    )


def _binning(detector: Detector, particle: Particle, latent: int) -> str:
    """Return binning.xml: a ``Particle`` for FastCaloSim, a ``Bin`` for CaloChallenge's readers."""
    layers = _layers(detector)
    # Names of layers that are numbers in rising order are those that FastCaloSim knows.
    names = [layer.name for layer in layers]
    numbers = [int(name) for name in names if name.isdecimal()]
    rising = len(numbers) == len(names) and numbers == sorted(set(numbers))
    ids = names if rising else [str(k) for k in range(len(layers))]
    pid, eta = {"pid": str(particle.pdg)}, {"etaMin": "20", "etaMax": "25"}
    symmetry = {"symmetriseAlpha": "false"}
    root = ElementTree.Element("Bins")
    owner = ElementTree.SubElement(root, "Particle", pid | {"latentDim": str(latent)} | symmetry)
    for parent, attributes in (
        (owner, eta | {"regionId": "1", "ganVersion": "2"} | symmetry),
        (root, pid | eta | {"name": particle.name}),
    ):
        entry = ElementTree.SubElement(parent, "Bin", attributes)
        for number, layer in zip(ids, layers, strict=True):
            edges = ",".join(f"{edge:.9g}" for edge in layer.r)
            binning = {"id": number, "r_edges": edges, "n_bin_alpha": str(layer.n_alpha)}
            ElementTree.SubElement(entry, "Layer", binning)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _slots() -> list[str]:
    """Return the options of each network of FastCaloSim: particle and range of kinetic energies."""
    lines = []
    for what, (names, low, high) in _SLOTS.items():
        for name in names:
            mass = find_particle(name).mass
            ends = (math.sqrt(4.0**power + mass**2) - mass for power in (low, high))
            text = ":".join(f"{end:.10g}MeV" for end in ends)
            lines.append(f"    {what}, {name}: --particle {name} --energy-range {text}")
    return lines
