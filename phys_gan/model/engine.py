"""Engine: run a generator in batches that suit the device, in single or lower precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from phys_gan.encodings import Encoding
from phys_gan.errors import ConfigError
from phys_gan.networks import Generator

Draw = Callable[[int, int], Tensor]
"""Map the number of the first event and a number of events to their latents."""
Precision = Literal["float32", "bfloat16"]

_LARGE_BATCH = 65_536


@dataclass(frozen=True)
class Engine:
    """Run a generator and decode what comes out.

    Batches suit the device: on a CPU small enough for its caches, on a GPU as large as it takes
    to keep it busy.

    Attributes:
        generator: The generator, in evaluation mode.
        encoding: Decodes its output.
        precision: Of matrix products; everything else is float32, so that layer energies stay
            exact. ``bfloat16`` has a relative precision of 0.4 %.
        compiled: Whether torch compiles the network, which takes a minute for each batch size and
            needs a C++ compiler on a CPU. On a GPU it is replayed as a CUDA graph.

    Raises:
        ConfigError: There is no such precision.
    """

    generator: Generator
    encoding: Encoding
    precision: Precision = "float32"
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise ConfigError(
                f"there is no precision '{self.precision}'",
                remedy=f"choose one of: {', '.join(get_args(Precision))}",
                value=self.precision,
            )

    @cached_property
    def batch_size(self) -> int:
        """Events that should go through the network at once on this device.

        The fastest for the pretrained models on two cores, see docs/benchmarks.md.
        """
        if next(self.generator.parameters()).is_cuda:
            return _LARGE_BATCH
        if any(isinstance(layer, nn.Conv2d) for layer in self.generator.modules()):
            # Each pixel has many channels inside the network.
            return 128
        return min(2048, max(256, 2**20 // self.encoding.detector.n_cells))

    def run(
        self, source: Tensor, encoded: Tensor, draw: Draw, batch_size: int | None = None
    ) -> NDArray[np.float32]:
        """Return the cells of events (N, n_cells) in the detector's unit.

        Arguments:
            source: What precedes the latents of each event, (N, source).
            encoded: Encoded conditions, (N, n_conditions).
            draw: Draws latents.
            batch_size: Events that go through the network at once; by default as many as suit the
                device.
        """
        n = len(encoded)
        size = batch_size or self.batch_size
        cells = np.empty((n, self.encoding.detector.n_cells), np.float32)
        for begin in range(0, n, size):
            rows = slice(begin, begin + size)
            c = encoded[rows]
            z = torch.cat([source[rows], draw(begin, len(c)).to(c.device)], dim=1)
            cells[rows] = self._cells(z, c, size).cpu().numpy()
        return cells

    def _cells(self, z: Tensor, c: Tensor, size: int) -> Tensor:
        """Return the cells of a batch of at most ``size`` events."""
        n = len(c)
        if not self.compiled:
            # Saves a tenth of the time for single events; torch cannot compile in this mode.
            with torch.inference_mode():
                return self._compute(z, c)
        # Each batch size is compiled separately: the last batch is padded.
        z, c = (torch.cat([part, part[-1:].expand(size - n, -1)]) for part in (z, c))
        if c.is_cuda:
            torch.compiler.cudagraph_mark_step_begin()
        return self._compiled(z, c)[:n].clone()

    @cached_property
    def _compiled(self) -> Callable[[Tensor, Tensor], Tensor]:
        cuda = next(self.generator.parameters()).is_cuda
        mode = "reduce-overhead" if cuda else None
        compiled: Callable[[Tensor, Tensor], Tensor] = torch.compile(
            self._compute, dynamic=False, mode=mode
        )
        return compiled

    @torch.no_grad()
    def _compute(self, z: Tensor, c: Tensor) -> Tensor:
        low = self.precision == "bfloat16"
        with torch.autocast(c.device.type, dtype=torch.bfloat16, enabled=low):
            raw = self.generator(z, c)
        return self.encoding.decode(raw.float(), c)
