"""Target generic: any program with ONNX Runtime, noise and physical conditions in, cells out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from phys_gan.generation.export.target import Options, Port, Target, target
from phys_gan.model import Model

_SCRIPT = '''\
"""Generate events with {file}; needs numpy and onnxruntime only."""

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{file}", providers=["CPUExecutionProvider"])
rng = np.random.default_rng(seed=1)
n = 10

noise = rng.standard_normal((n, {latent}), dtype=np.float32)
conditions = {{
{conditions}}}
cells = session.run(["cells"], {{"noise": noise, **conditions}})[0]
print(cells.shape, "cells in {unit}; mean sum", cells.sum(axis=1).mean())
'''


@target
class Generic(Target):
    """Noise and conditions, each by its name, in; cells in the detector's unit out."""

    name = "generic"

    def __init__(self, model: Model, options: Options) -> None:
        super().__init__(model, options)
        self.unit = self.detector.cell_unit
        self.order = (
            f"as in the files of '{self.detector.name}': layer by layer, each with its last axis "
            "fastest"
        )
        self.inputs = (
            Port("noise", ("N", self.pipeline.latent), "standard normal numbers"),
            *(Port(_port(name), ("N", 1), _meaning(name)) for name in self.named),
        )
        self.output = Port("cells", ("N", self.detector.n_cells), f"cells [{self.unit}]")

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map noise (N, latent) and conditions, each (N, 1), to cells (N, n_cells)."""
        noise, *conditions = inputs
        named = {name: values[:, 0] for name, values in zip(self.named, conditions, strict=True)}
        cells: Tensor = self.pipeline(noise, named)
        return cells

    def companions(self, out: Path) -> dict[Path, str]:
        """Return a program in Python."""
        rows = self.pipeline.encoding.ranges.tolist()
        conditions = "".join(
            f'    "{_port(name)}": rng.uniform({low:.9g}, {high:.9g}, (n, 1)).astype(np.float32),\n'
            for name, (low, high) in zip(self.named, rows, strict=True)
        )
        text = _SCRIPT.format(
            file=out.name, latent=self.pipeline.latent, conditions=conditions, unit=self.unit
        )
        return {out.with_suffix(".py"): text}

    def settings(self) -> dict[str, Any]:
        """Return the number of latents."""
        return {"latent": self.pipeline.latent}


def _port(name: str) -> str:
    """Return the name of a condition's input; "noise" is that of the latents."""
    return "condition_noise" if name == "noise" else name


def _meaning(name: str) -> str:
    return "incident kinetic energy [MeV]" if name == "energy" else f"condition '{name}'"
