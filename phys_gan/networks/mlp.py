"""The vanilla pair: fully connected layers over any encoded event; the pair for toys."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from phys_gan.networks.base import (
    DEEPEST,
    WIDEST,
    Discriminator,
    Generator,
    HeadConfig,
    NetworkConfig,
)
from phys_gan.networks.blocks import LatentMixture, Standardize, VirtualBatchNorm

__all__ = ["MlpConfig", "MlpDiscriminator", "MlpGenerator"]

Norm = Literal["none", "batch", "layer", "virtual-batch"]
_NORM_REFERENCES = {
    "none": (),
    "batch": ("ioffe2015batch",),
    "layer": ("ba2016layer",),
    "virtual-batch": ("salimans2016improved",),
}


class MlpConfig(NetworkConfig):
    """Options of the fully connected pair (Goodfellow et al., arXiv:1406.2661).

    Attributes:
        latent: Latent numbers.
        width: Neurons in the hidden layers of the generator.
        depth: Hidden layers of the generator.
        norm: Normalisation in the generator.
        components: Components of the mixture of Gaussians from which latents are drawn, each with a
            mean and a spread to learn, so that separate modes need no bridge (DeLiGAN, Gurumurthy
            et al., 2017, arXiv:1706.02071, Eq. 6); 0 for standard normal latents. One more latent
            chooses the component.
        frequencies: Random Fourier features of the latents that the generator sees beside them; 0
            for none. They make steep steps, as between separate modes, easy to learn (Tancik et
            al., 2020, arXiv:2006.10739).
        frequency_scale: Standard deviation of their frequencies [rad per unit of a latent].
        d_width: Neurons in the hidden layers of the discriminator.
        d_depth: Hidden layers of the discriminator.
        d_norm: Normalisation in the discriminator.
        virtual_batch: Events in the reference batch of virtual batch normalisation.
    """

    kind: Literal["mlp"] = "mlp"
    latent: int = Field(default=64, ge=1, le=WIDEST)
    width: int = Field(default=128, ge=1, le=WIDEST)
    depth: int = Field(default=3, ge=1, le=DEEPEST)
    norm: Norm = "none"
    components: int = Field(default=0, ge=0, le=WIDEST)
    frequencies: int = Field(default=0, ge=0, le=WIDEST)
    frequency_scale: float = Field(default=3.0, gt=0)
    d_width: int = Field(default=128, ge=1, le=WIDEST)
    d_depth: int = Field(default=3, ge=1, le=DEEPEST)
    d_norm: Norm = "none"
    virtual_batch: int = Field(default=64, ge=2, le=WIDEST)

    @property
    def references(self) -> tuple[str, ...]:
        """The normalisations in use, the mixture of latents, and the Fourier features."""
        norms = _NORM_REFERENCES[self.norm] + _NORM_REFERENCES[self.d_norm]
        return (
            *dict.fromkeys(norms),
            *(("gurumurthy2017deligan",) if self.components else ()),
            *(("tancik2020fourier",) if self.frequencies else ()),
        )


class _Hidden(nn.Module):
    """Hidden layers with normalisation; the reference batch, if any, rides in front."""

    reference: Tensor

    def __init__(self, n_in: int, width: int, depth: int, norm: Norm, n_reference: int) -> None:
        super().__init__()
        n_reference = n_reference if norm == "virtual-batch" else 0
        layers: list[nn.Module] = []
        for n, m in pairwise([n_in, *[width] * depth]):
            layers.append(nn.Linear(n, m))
            if norm == "batch":
                layers.append(nn.BatchNorm1d(m))
            elif norm == "layer":
                layers.append(nn.LayerNorm(m))
            elif norm == "virtual-batch":
                layers.append(VirtualBatchNorm(m, n_reference))
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers)
        self.register_buffer("reference", torch.randn(n_reference, n_in))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, n_in) to (N, width)."""
        h: Tensor = self.layers(torch.cat([self.reference, x]) if len(self.reference) else x)
        return h[len(self.reference) :]


class MlpGenerator(Generator):
    """Map latents and conditions through hidden layers to all numbers of an event.

    Arguments:
        n_numbers: Numbers per encoded event.
        n_conditions: Numbers per event that tell the conditions.
        config: Options.
    """

    waves: Tensor

    def __init__(self, n_numbers: int, n_conditions: int, config: MlpConfig) -> None:
        super().__init__()
        self.latent = config.latent + bool(config.components)
        self.mixture = (
            LatentMixture(config.components, config.latent) if config.components else nn.Identity()
        )
        n_in = config.latent + n_conditions + 2 * config.frequencies
        waves = config.frequency_scale * torch.randn(config.latent, config.frequencies)
        self.register_buffer("waves", waves / config.latent**0.5)
        self.hidden = _Hidden(n_in, config.width, config.depth, config.norm, config.virtual_batch)
        self.last = nn.Linear(config.width, n_numbers)
        self.scale = Standardize(n_numbers)

    @torch.no_grad()
    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Learn mean and spread of real events, and take conditions for the reference batch."""
        self.scale.adapt(x)
        _refer(self.hidden, torch.arange(self.latent, self.latent + c.shape[1]), c)

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map z (N, latent) and c (N, n_conditions) to raw events (N, n_numbers)."""
        z = self.mixture(z)
        phases = z @ self.waves
        seen = torch.cat([z, c, phases.sin(), phases.cos()], dim=1)
        return self.scale.inverse(self.last(self.hidden(seen)))


class MlpDiscriminator(Discriminator):
    """Judge the standardised event through hidden layers.

    Arguments:
        n_numbers: Numbers per encoded event.
        n_conditions: Numbers per event that tell the conditions.
        config: Options.
        head: How features become a judgement.
    """

    def __init__(
        self, n_numbers: int, n_conditions: int, config: MlpConfig, head: HeadConfig
    ) -> None:
        super().__init__(config.d_width, n_conditions, head)
        n_in = (n_numbers + self.n_concatenated) * head.pack
        self.scale = Standardize(n_numbers)
        self.hidden = _Hidden(
            n_in, config.d_width, config.d_depth, config.d_norm, config.virtual_batch
        )

    @torch.no_grad()
    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Learn mean and spread of real events, and take some as the reference batch."""
        self.scale.adapt(x)
        rows = self.with_conditions(self.packed(self.preprocess(x)), self.packed(c))
        _refer(self.hidden, torch.arange(rows.shape[1]), rows)

    def preprocess(self, x: Tensor) -> Tensor:
        """Return the standardised event."""
        seen: Tensor = self.scale(x)
        return seen

    def features(self, seen: Tensor, c: Tensor) -> Tensor:
        """Map what is seen and the conditions to features (N, d_width)."""
        h: Tensor = self.hidden(self.with_conditions(seen, c))
        return h


def _refer(hidden: _Hidden, columns: Tensor, rows: Tensor) -> None:
    """Fill columns of the reference batch with the first rows, again from the start if few."""
    n = len(hidden.reference)
    if n and rows.shape[1]:
        hidden.reference[:, columns] = rows[torch.arange(n) % len(rows)].to(hidden.reference)
