""":class:`MomentMatching`: a generator without a discriminator, which minimises the MMD of samples.

The maximum mean discrepancy is taken between rows of events and their conditions, as
:class:`FeatureMap` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from phys_gan.losses import median_distance, mmd2
from phys_gan.networks import build_discriminator, build_generator
from phys_gan.training.methods.base import Learner, Method, Setup, Stateful, diversity
from phys_gan.training.techniques import Config

_SAMPLE = 1000


class MomentMatchingConfig(Config):
    """Options of :class:`MomentMatching`.

    Attributes:
        kind: The method.
        bandwidths: Bandwidths of the kernels, in units of the median distance of real events.
        condition_weight: Weight of the conditions in distances: with 1 they count as much as the
            events.
    """

    papers = ("li2015gmmn", "dziugaite2015mmd", "gretton2012mmd")
    kind: Literal["moment-matching"] = "moment-matching"
    bandwidths: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(0.1, 0.2, 0.5, 1.0, 2.0), min_length=1
    )
    condition_weight: float = Field(default=1.0, gt=0)


class FeatureMap:
    r"""Map events and their conditions to one row of numbers each, without weights to learn.

    .. math:: \phi(x, c) = \Bigl(\ell(x), \; w \sqrt{F / C} \, c / \sigma_c\Bigr)

    with l(x) the preprocessing of the pair's discriminator, F standardised numbers, and the C
    conditions in units of their standard deviation. The median distance between rows of real
    events is the unit of bandwidths.

    Arguments:
        setup: What the method is built from.
        weight: w.

    Raises:
        ConfigError: The networks have no single discriminator whose preprocessing could be used.
    """

    def __init__(self, setup: Setup, weight: float) -> None:
        discriminator = build_discriminator(setup.network, *setup.sizes)
        setup.adapt(discriminator)
        self._preprocess = discriminator.to(setup.fabric.device).preprocess
        n_seen, n_conditions = self._preprocess(setup.x[:1]).shape[1], setup.c.shape[1]
        sigma = (setup.c - setup.c.mean(0)).square().mean(0).sqrt().clamp_min(1e-6)
        self._state = dict(discriminator.named_buffers())
        self._state["factors"] = weight * (n_seen / max(n_conditions, 1)) ** 0.5 / sigma
        median = median_distance(self(setup.x[:_SAMPLE], setup.c[:_SAMPLE]))
        self._state["median"] = torch.tensor(median, dtype=torch.float64)

    @property
    def median(self) -> float:
        """The median distance between real events."""
        return float(self._state["median"])

    def __call__(self, x: Tensor, c: Tensor) -> Tensor:
        """Map events (N, n_numbers) and conditions (N, C) to (N, F + C)."""
        return torch.cat([self._preprocess(x), c * self._state["factors"]], dim=1)

    def state_dict(self) -> dict[str, Any]:
        """Return the scales."""
        return dict(self._state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        for name, own in self._state.items():
            own.copy_(state[name])


class MomentMatching(Method):
    r"""Train a conditional generator to match the joint distribution of events and conditions.

    .. math:: L = \mathrm{MMD}^2\bigl(\{\phi(x_i, c_i)\}, \{\phi(G(z_i, c_i), c_i)\}\bigr)

    with the unbiased estimate over a batch. Real and generated events have the same conditions, so
    that the distance vanishes only where the distributions agree at each condition.

    References:
        Generative Moment Matching Networks (Li et al., 2015), Eq. 3 and Algorithm 1,
        https://arxiv.org/abs/1502.02761;
        Training generative neural networks via Maximum Mean Discrepancy optimization
        (Dziugaite et al., 2015), Algorithm 1, https://arxiv.org/abs/1505.03906

    Arguments:
        config: Options.
        setup: What it is built from.

    Raises:
        ConfigError: The networks have no single discriminator whose preprocessing could be used.
    """

    def __init__(self, config: MomentMatchingConfig, setup: Setup) -> None:
        super().__init__(setup)
        self.config, self.features = config, FeatureMap(setup, config.condition_weight)
        generator = build_generator(setup.network, *setup.sizes)
        setup.adapt(generator)
        self.latent, self.average = generator.latent, self.averaging(generator)
        self.generator = Learner(generator, setup.schedule.lr_g, setup)

    def step(self, x: Tensor, c: Tensor, rate: float, shown: int) -> dict[str, Tensor]:
        """Bring a batch of generated events closer to the real ones."""
        bandwidths = [multiple * self.features.median for multiple in self.config.bandwidths]
        real, fake = self.features(x, c), self.features(self._generate(c), c)
        loss = mmd2(real, fake, bandwidths, unbiased=True)
        norm = self.generator.update(loss, rate)
        self.advance(self.generator.plain, len(x), shown)
        return {
            "loss": loss.detach(),
            "mmd": loss.detach().clamp_min(0).sqrt(),
            "gradient_norm_g": norm,
        }

    def _generate(self, c: Tensor) -> Tensor:
        z = self.latents(len(c), self.latent)
        return self.encoding.constrain(self.generator.network(z, c), c)

    def inspect(self, x: Tensor, c: Tensor) -> dict[str, float]:
        """Return the diversity of generated events."""
        with torch.no_grad():
            fake = self._generate(c)
        return {"diversity": diversity(x, fake)}

    def parts(self) -> Mapping[str, Stateful]:
        """Return the generator, and the scales of the feature map."""
        return {"generator": self.generator, "view": self.features}
