"""Fully connected networks, as in the first GAN; for toys, and any encoded event.

References:
    Generative Adversarial Networks (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from phys_gan.detectors import Detector
from phys_gan.networks.architectures import register_discriminator, register_generator
from phys_gan.networks.base import (
    Depth,
    Discriminator,
    Generator,
    HeadConfig,
    NetworkConfig,
    Sizes,
    Width,
)
from phys_gan.networks.blocks import Standardize

_Norm = Literal["none", "batch", "layer", "virtual-batch"]
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
        norm: _Normalisation in the generator.
        components: Components of the mixture of Gaussians from which latents are drawn, each with a
            learned mean and standard deviation, so that separate modes need no bridge (DeLiGAN,
            Gurumurthy et al., 2017, arXiv:1706.02071, Eq. 6); 0 for standard normal latents. One
            more latent selects the component.
        frequencies: Random Fourier features of the latents, as inputs beside them; 0 for none. They
            make steep steps, as between separate modes, easy to learn (Tancik et al., 2020,
            arXiv:2006.10739).
        frequency_scale: Standard deviation of their frequencies [rad per unit of a latent].
        d_width: Neurons in the hidden layers of the discriminator.
        d_depth: Hidden layers of the discriminator.
        d_norm: _Normalisation in the discriminator.
        virtual_batch: Events in the reference batch of virtual batch normalisation.
    """

    kind: Literal["mlp"] = "mlp"
    latent: Width = 64
    width: Width = 128
    depth: Depth = 3
    norm: _Norm = "none"
    components: int = Field(default=0, ge=0, le=65_536)
    frequencies: int = Field(default=0, ge=0, le=65_536)
    frequency_scale: float = Field(default=3.0, gt=0)
    d_width: Width = 128
    d_depth: Depth = 3
    d_norm: _Norm = "none"
    virtual_batch: int = Field(default=64, ge=2, le=65_536)

    @property
    def references(self) -> tuple[str, ...]:
        """The normalisations in use, the mixture of latents, and the Fourier features."""
        norms = _NORM_REFERENCES[self.norm] + _NORM_REFERENCES[self.d_norm]
        return (
            *dict.fromkeys(norms),
            *(("gurumurthy2017deligan",) if self.components else ()),
            *(("tancik2020fourier",) if self.frequencies else ()),
        )


class LatentMixture(nn.Module):
    r"""Turn standard normal numbers into draws from a mixture of Gaussians that is learned.

    .. math:: z = \mu_k + \sigma_k \epsilon, \qquad k = \lfloor K \, \Phi(\epsilon_0) \rfloor

    with equally likely components. The first number selects the component, so one more latent is
    needed.

    References:
        DeLiGAN: Generative Adversarial Networks for Diverse and Limited Data (Gurumurthy et al.,
        2017), Sec. 4, https://arxiv.org/abs/1706.02071

    Arguments:
        n_components: Components K.
        latent: Latents of a draw.
    """

    def __init__(self, n_components: int, latent: int) -> None:
        super().__init__()
        self.n_components = n_components
        self.mean = nn.Parameter(2 * torch.rand(n_components, latent) - 1)
        self.log_spread = nn.Parameter(torch.full((n_components, latent), 0.2).log())

    def forward(self, z: Tensor) -> Tensor:
        """Map (N, 1 + latent) to (N, latent)."""
        fraction = 0.5 * (1 + torch.erf(z[:, 0] / 2**0.5))
        k = (fraction * self.n_components).long().clamp(max=self.n_components - 1)
        y: Tensor = self.mean[k] + self.log_spread[k].exp() * z[:, 1:]
        return y


class VirtualBatchNorm(nn.Module):
    r"""Normalise each event with statistics of the reference batch and of that event.

    The reference batch is the first ``n_reference`` rows of every input. With R of them,

    .. math:: \mu_i = \frac{R \mu_R + x_i}{R + 1}, \qquad
        s_i = \frac{R \overline{x^2}_R + x_i^2}{R + 1}, \qquad
        y_i = \gamma \frac{x_i - \mu_i}{\sqrt{s_i - \mu_i^2 + \epsilon}} + \beta

    so that an event's output does not depend on the others of its batch, unlike with batch
    normalisation.

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.5,
        https://arxiv.org/abs/1606.03498

    Arguments:
        n: Features.
        n_reference: Rows R of the reference batch.
    """

    def __init__(self, n: int, n_reference: int) -> None:
        super().__init__()
        self.n_reference = n_reference
        self.gain, self.shift = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))

    def forward(self, x: Tensor) -> Tensor:
        """Map (R + N, n) to (R + N, n)."""
        reference = x[: self.n_reference]
        own = 1 / (self.n_reference + 1)
        mean = (1 - own) * reference.mean(0) + own * x
        square = (1 - own) * reference.square().mean(0) + own * x.square()
        deviation = (square - mean.square()).clamp_min(0).add(1e-5).sqrt()
        return self.gain * (x - mean) / deviation + self.shift


class _Hidden(nn.Module):
    """Hidden layers with normalisation; the reference batch, if any, precedes the events."""

    reference: Tensor

    def __init__(self, n_in: int, width: int, depth: int, norm: _Norm, n_reference: int) -> None:
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

    def refer(self, columns: Tensor, rows: Tensor) -> None:
        """Fill columns of the reference batch with the first rows, repeated if too few."""
        n = len(self.reference)
        if n and rows.shape[1]:
            self.reference[:, columns] = rows[torch.arange(n) % len(rows)].to(self.reference)


@register_generator(MlpConfig)
class MlpGenerator(Generator):
    """Map latents and conditions through hidden layers to all numbers of an event."""

    waves: Tensor

    def __init__(self, detector: Detector, sizes: Sizes, config: MlpConfig) -> None:
        super().__init__()
        self.latent = config.latent + bool(config.components)
        self.mixture = (
            LatentMixture(config.components, config.latent) if config.components else nn.Identity()
        )
        n_in = config.latent + sizes.n_conditions + 2 * config.frequencies
        waves = config.frequency_scale * torch.randn(config.latent, config.frequencies)
        self.register_buffer("waves", waves / config.latent**0.5)
        self.hidden = _Hidden(n_in, config.width, config.depth, config.norm, config.virtual_batch)
        self.last = nn.Linear(config.width, sizes.n_numbers)
        self.scale = Standardize(sizes.n_numbers)

    @torch.no_grad()
    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Standardise by real events, and take conditions for the reference batch."""
        self.scale.adapt(x)
        self.hidden.refer(torch.arange(self.latent, self.latent + c.shape[1]), c)

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map z (N, latent) and c (N, n_conditions) to raw events (N, n_numbers)."""
        z = self.mixture(z)
        phases = z @ self.waves
        h = self.hidden(torch.cat([z, c, phases.sin(), phases.cos()], dim=1))
        return self.scale.inverse(self.last(h))


@register_discriminator(MlpConfig)
class MlpDiscriminator(Discriminator):
    """Map the standardised event through hidden layers to features."""

    def __init__(
        self, detector: Detector, sizes: Sizes, config: MlpConfig, head: HeadConfig
    ) -> None:
        super().__init__(config.d_width, sizes.n_conditions, head)
        n_in = (sizes.n_numbers + self.n_concatenated) * head.pack
        self.scale = Standardize(sizes.n_numbers)
        self.hidden = _Hidden(
            n_in, config.d_width, config.d_depth, config.d_norm, config.virtual_batch
        )

    @torch.no_grad()
    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Standardise by real events, and take some as the reference batch."""
        self.scale.adapt(x)
        rows = self.with_conditions(self.packed(self.preprocess(x)), self.packed(c))
        self.hidden.refer(torch.arange(rows.shape[1]), rows)

    def preprocess(self, x: Tensor) -> Tensor:
        """Return the standardised event."""
        standardised: Tensor = self.scale(x)
        return standardised

    def features(self, x: Tensor, c: Tensor) -> Tensor:
        """Map inputs and conditions to features (N, d_width)."""
        h: Tensor = self.hidden(self.with_conditions(x, c))
        return h
