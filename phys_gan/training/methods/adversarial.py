"""Adversarial training of a conditional generator against one discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from phys_gan.networks import build_discriminator, build_generator
from phys_gan.training.methods.base import Method, Setup, Stateful
from phys_gan.training.methods.critic import Critic
from phys_gan.training.methods.diversity import diversity
from phys_gan.training.methods.game import GameConfig
from phys_gan.training.methods.learner import Learner

__all__ = ["Adversarial", "AdversarialConfig"]


class AdversarialConfig(GameConfig):
    """Options of :class:`Adversarial`.

    Attributes:
        kind: The method.
        energy_weight: Weight of the mean |E_tot - E_inc| [GeV] in the generator's loss, as in
            CaloGAN; 0 leaves it out.
    """

    kind: Literal["adversarial"] = "adversarial"
    energy_weight: float = Field(default=0.0, ge=0)


class Adversarial(Method):
    """Train a conditional GAN.

    References:
        Conditional Generative Adversarial Nets (Mirza and Osindero, 2014),
        https://arxiv.org/abs/1411.1784

    Arguments:
        config: Options.
        setup: What it is built from.
    """

    def __init__(self, config: AdversarialConfig, setup: Setup) -> None:
        super().__init__(setup)
        self.config = config
        generator = build_generator(setup.network, *setup.sizes)
        discriminator = build_discriminator(setup.network, *setup.sizes, config.head())
        for network in (generator, discriminator):
            network.adapt(setup.x.to("cpu"), setup.c.to("cpu"))
        config.prepare(generator)
        self.latent, self.average = generator.latent, self.averaging(generator)
        self.generator = Learner(
            generator,
            setup.schedule.lr_g,
            setup.schedule,
            setup.fabric,
            config.historical_weight,
        )
        self.critic = Critic(discriminator, config, setup)
        self.networks = (generator, self.average.generator, discriminator)

    def step(self, x: Tensor, c: Tensor, rate: float, shown: int) -> dict[str, Tensor]:
        """Improve the discriminator, and the generator when it is its turn."""
        for network in self.networks:
            network.grow(shown)
        with torch.no_grad():
            fake = self._generate(c)
        scalars = self.critic.improve(x, fake, c, step=self.steps, rate=rate, shown=shown)
        for _ in range(self.config.turns(self.steps)):
            scalars |= self._generator_step(x, c, rate, shown)
        self.advance(self.generator.plain, len(x), shown)
        return scalars

    def _generate(self, c: Tensor) -> Tensor:
        z = self.latents(len(c), self.latent)
        return self.encoding.constrain(self.generator.network(z, c), c)

    def _generator_step(self, x: Tensor, c: Tensor, rate: float, shown: int) -> dict[str, Tensor]:
        fake = self._generate(c)
        loss = self.critic.oppose(fake, x, c, shown)
        scalars = {"loss_g": loss.detach()}
        if self.config.energy_weight > 0:
            total = self.encoding.decode(fake, c).sum(1)
            miss = (total - self.encoding.incident_energy(c)).abs().mean() / 1e3
            scalars["energy_miss_GeV"] = miss.detach()
            loss = loss + self.config.energy_weight * miss
        scalars["gradient_norm_g"] = self.generator.update(loss, rate)
        return scalars

    def inspect(self, x: Tensor, c: Tensor) -> dict[str, float]:
        """Return the effective Lipschitz constant and the diversity of generated events."""
        with torch.no_grad():
            fake = self._generate(c)
        return {
            "lipschitz": self.critic.lipschitz(x, fake, c),
            "diversity": diversity(x, fake),
        }

    def parts(self) -> Mapping[str, Stateful]:
        """Return both players."""
        return {"generator": self.generator, "discriminator": self.critic}
