"""Adversarial training: one step of a generator against a discriminator."""

from __future__ import annotations

import copy
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from phys_gan.encodings import Encoding
from phys_gan.networks import Discriminator, build_discriminator, build_generator
from phys_gan.objectives import non_saturating_discriminator, non_saturating_generator, r1
from phys_gan.training.average import GeneratorAverage
from phys_gan.training.recipe import Recipe

__all__ = ["Adversarial"]


class Adversarial:
    """Train a conditional GAN (Mirza and Osindero, 2014, https://arxiv.org/abs/1411.1784).

    Arguments:
        recipe: The configuration.
        encoding: The fitted encoding, on the device.
        fabric: Where it runs.
        real: Encoded real events (N, F), from which the networks take their scales.
        noise: The random stream of the latents, on the device.

    Attributes:
        average: The averaged generator; this is the one to keep.
    """

    def __init__(
        self,
        recipe: Recipe,
        encoding: Encoding,
        fabric: Fabric,
        real: Tensor,
        noise: torch.Generator,
    ) -> None:
        self.config, self.schedule = recipe.method, recipe.training
        self.encoding, self.fabric, self.noise = encoding, fabric, noise
        sizes = (encoding.detector, encoding.n_globals, encoding.n_conditions)
        generator = build_generator(recipe.network, *sizes)
        discriminator = build_discriminator(recipe.network, *sizes)
        generator.adapt(real.to("cpu"))
        discriminator.adapt(real.to("cpu"))
        self.latent = generator.latent
        self.average = GeneratorAverage(
            copy.deepcopy(generator).to(fabric.device), self.schedule.ema_half_life
        )
        betas = (self.schedule.beta1, self.schedule.beta2)
        self.generator, self.optimizer_g = fabric.setup(
            generator, torch.optim.Adam(generator.parameters(), self.schedule.lr_g, betas)
        )
        self.discriminator, self.optimizer_d = fabric.setup(
            discriminator, torch.optim.Adam(discriminator.parameters(), self.schedule.lr_d, betas)
        )
        for method in (Discriminator.look, Discriminator.judge):
            self.discriminator.mark_forward_method(method.__name__)
        self.steps = 0

    def step(self, x: Tensor, c: Tensor, rate: float, shown: int) -> dict[str, Tensor]:
        """Improve both networks once.

        Arguments:
            x: Encoded real events, (N, F).
            c: Their encoded conditions, (N, C).
            rate: Factor on the learning rates.
            shown: Events shown so far.

        Returns:
            Named scalars.
        """
        for optimizer, lr in (
            (self.optimizer_g, self.schedule.lr_g),
            (self.optimizer_d, self.schedule.lr_d),
        ):
            optimizer.param_groups[0]["lr"] = lr * rate
        scalars = self._discriminator_step(x, c)
        for _ in range(self.config.generator_steps):
            scalars |= self._generator_step(c)
        self.average.update(self.generator, len(x) * self.fabric.world_size, shown)
        self.steps += 1
        return scalars

    def _generate(self, c: Tensor) -> Tensor:
        z = torch.randn(len(c), self.latent, generator=self.noise, device=c.device)
        return self.encoding.constrain(self.generator(z, c), c)

    def _discriminator_step(self, x: Tensor, c: Tensor) -> dict[str, Tensor]:
        penalised = self.config.r1 > 0 and self.steps % self.config.r1_every == 0
        with torch.no_grad():
            generated = self._generate(c)
        seen = self.discriminator.look(x).detach().requires_grad_(penalised)
        real = self.discriminator.judge(seen, c)
        fake = self.discriminator(generated, c)
        loss = non_saturating_discriminator(real, fake)
        scalars = {
            "loss_d": loss.detach(),
            "accuracy_real": (real > 0).float().mean(),
            "accuracy_generated": (fake < 0).float().mean(),
        }
        if penalised:
            penalty = r1(seen, real)
            scalars["r1"] = penalty.detach()
            loss = loss + self.config.r1 * self.config.r1_every * penalty
        self.optimizer_d.zero_grad()
        self.fabric.backward(loss)
        self.optimizer_d.step()
        return scalars

    def _generator_step(self, c: Tensor) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(False)
        generated = self._generate(c)
        loss = non_saturating_generator(self.discriminator(generated, c))
        scalars = {"loss_g": loss.detach()}
        if self.config.energy_weight > 0:
            total = self.encoding.decode(generated, c).sum(1)
            miss = (total - self.encoding.incident_energy(c)).abs().mean() / 1e3
            scalars["energy_miss_GeV"] = miss.detach()
            loss = loss + self.config.energy_weight * miss
        self.optimizer_g.zero_grad()
        self.fabric.backward(loss)
        self.optimizer_g.step()
        self.discriminator.requires_grad_(True)
        return scalars

    def state_dict(self) -> dict[str, Any]:
        """Return all that a later process needs to go on."""
        return {
            "steps": self.steps,
            "noise": self.noise.get_state(),
            "average": self.average.generator.state_dict(),
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimizer_g": self.optimizer_g.state_dict(),
            "optimizer_d": self.optimizer_d.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.steps = state["steps"]
        self.noise.set_state(state["noise"])
        self.average.generator.load_state_dict(state["average"])
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimizer_g.load_state_dict(state["optimizer_g"])
        self.optimizer_d.load_state_dict(state["optimizer_d"])
