"""Any program with ONNX Runtime: noise and conditions in physical units in, cells out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from phys_gan.generation.export.target import Arrays, Options, Port, Target
from phys_gan.model import Model

__all__ = ["Generic"]

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


class Generic(Target):
    """The noise is an input, so that whoever draws it decides what is reproduced."""

    name = "generic"

    def __init__(self, model: Model, options: Options) -> None:
        super().__init__(model, options)
        self.named = self.pipeline.encoding.named
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

    def draw(self, named: Mapping[str, NDArray[np.float64]], rng: np.random.Generator) -> Arrays:
        """Draw noise, and put conditions into columns."""
        n = len(next(iter(named.values()))) if named else 16
        noise = rng.standard_normal((n, self.pipeline.latent), dtype=np.float32)
        return noise, *(named[name].astype(np.float32)[:, None] for name in self.named)

    def companions(self, out: Path) -> dict[Path, str]:
        """Return a program in Python."""
        conditions = "".join(
            f'    "{_port(name)}": rng.uniform({low:.9g}, {high:.9g}, (n, 1)).astype(np.float32),\n'
            for name, (low, high) in self._ranges().items()
        )
        text = _SCRIPT.format(
            file=out.name, latent=self.pipeline.latent, conditions=conditions, unit=self.unit
        )
        return {out.with_suffix(".py"): text}

    def settings(self) -> dict[str, Any]:
        """Return the number of latents."""
        return {"latent": self.pipeline.latent}

    def _ranges(self) -> dict[str, tuple[float, float]]:
        rows = self.pipeline.encoding.ranges.tolist()
        return {name: (low, high) for name, (low, high) in zip(self.named, rows, strict=True)}


def _port(name: str) -> str:
    """Return the name of a condition's input: that of the latents is taken."""
    return "condition_noise" if name == "noise" else name


def _meaning(name: str) -> str:
    return "incident kinetic energy [MeV]" if name == "energy" else f"condition '{name}'"
