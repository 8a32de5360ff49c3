"""From latents and conditions in physical units to cells, as one graph without a way out of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError
from phys_gan.model import Model

__all__ = ["Pipeline"]


class Pipeline(nn.Module):
    """Generate events as :meth:`phys_gan.model.Model.respond` does, whatever is asked for.

    Consumers of an exported model check nothing. Conditions outside the range of the training
    events are therefore pulled to its edge here, and cells of a calorimeter that are not above
    zero and at the threshold at least are set to zero.

    Arguments:
        model: The model.
        energy_scale: Factor on all cells.

    Attributes:
        latent: Standard normal numbers that an event needs.
        bounds: Smallest and largest value of each condition that networks are told.

    Raises:
        ConfigError: The model translates events.
    """

    def __init__(self, model: Model, energy_scale: float = 1.0) -> None:
        super().__init__()
        if model.translates:
            raise ConfigError(
                "this model translates events, and no consumer of an exported model has events",
                remedy="export one that generates",
            )
        # The caller's model stays where it is, on its device and in its mode.
        self.encoding = copy.deepcopy(model.encoding).cpu().eval().requires_grad_(False)
        self.generator = copy.deepcopy(model.generator).cpu().eval().requires_grad_(False)
        self.latent, self.energy_scale = self.generator.latent, energy_scale
        self.bounds: dict[str, tuple[float, float]] = {}
        for name, (low, high) in zip(
            self.encoding.named, self.encoding.ranges.tolist(), strict=True
        ):
            endless = math.isinf(self.encoding.allowed(name, low, high)[1])
            self.bounds[name] = (-math.inf, math.inf) if endless else (low, high)

    @property
    def detector(self) -> Detector:
        """The detector whose cells come out."""
        return self.encoding.detector

    def clamped(self, name: str, values: Tensor) -> Tensor:
        """Pull values (N,) of a condition into the range of the training events, as float64."""
        low, high = self.bounds[name]
        values = values.double()
        return values if math.isinf(high) else values.clamp(low, high)

    def forward(self, z: Tensor, named: Mapping[str, Tensor]) -> Tensor:
        """Map latents z (N, latent) and conditions by name, each (N,), to cells (N, n_cells)."""
        inside = {name: self.clamped(name, named[name]) for name in self.encoding.named}
        c = self.encoding._encode_conditions(inside) if inside else z[:, :0]
        cells = self.encoding.decode(self.generator(z, c), c)
        if not self.detector.signed:
            hit = (cells >= self.detector.threshold) & (cells > 0)
            cells = torch.where(hit, cells, torch.zeros_like(cells))
        return cells if self.energy_scale == 1 else cells * self.energy_scale
