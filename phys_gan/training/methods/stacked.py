""":class:`Stacked`: a chain of generators, each of which learns an easier part alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from phys_gan.errors import ConfigError
from phys_gan.networks import Discriminator, Generator, StackedConfig
from phys_gan.networks.stacked import StackedGenerator, stacked_discriminators
from phys_gan.training.methods.adversarial import Critic, GameConfig
from phys_gan.training.methods.base import Learner, Method, Setup, Stateful, diversity


class StackedMethodConfig(GameConfig):
    """Options of :class:`Stacked`, the same for both stages.

    Attributes:
        kind: The method.
    """

    kind: Literal["stacked"] = "stacked"


class _Stage(NamedTuple):
    """One generator of the chain, and the critic of its part."""

    generator: Learner
    critic: Critic


class Stacked(Method):
    """Train the stages of a chain side by side, each against its own discriminator.

    The second stage draws cells for the energies of real events, so it does not depend on the
    first one, and its discriminator compares two sets of cells of the same energies. Generation
    runs through the whole chain, whose average is kept.

    References:
        Stacked Generative Adversarial Networks (Huang et al., 2016), Sec. 3.3, for the independent
        training of the stages, https://arxiv.org/abs/1612.04357; StackGAN (Zhang et al., 2016),
        https://arxiv.org/abs/1612.03242

    Arguments:
        config: Options.
        setup: What it is built from.

    Raises:
        ConfigError: The network is not a chain, or the encoding has no separate energies.
    """

    def __init__(self, config: StackedMethodConfig, setup: Setup) -> None:
        super().__init__(setup)
        self.config, self.n = config, setup.encoding.n_globals
        network = setup.network
        if not isinstance(network, StackedConfig):
            raise ConfigError(
                f"the network '{network.kind}' is not a chain of stages",
                remedy="choose network.kind = 'stacked' with the method 'stacked'",
                value=network.kind,
            )
        self.chain = StackedGenerator(*setup.sizes, network)
        on_energies, on_cells = stacked_discriminators(network, *setup.sizes, config.head())
        setup.adapt(self.chain)
        x, c = setup.x.to("cpu"), setup.c.to("cpu")
        on_energies.adapt(x[:, : self.n], c)
        on_cells.adapt(x[:, self.n :], self._with_energies(x, c))
        config.normalise(self.chain)
        self.average = self.averaging(self.chain)
        self.energies = self._stage(self.chain.energies, on_energies)
        self.cells = self._stage(self.chain.cells, on_cells)

    def _stage(self, generator: Generator, discriminator: Discriminator) -> _Stage:
        lr, weight = self.setup.schedule.lr_g, self.config.historical_weight
        learner = Learner(generator, lr, self.setup, weight)
        return _Stage(learner, Critic(discriminator, self.config, self.setup))

    def step(self, x: Tensor, c: Tensor, rate: float, shown: int) -> dict[str, Tensor]:
        """Update the discriminators of both stages, and the generators when it is their turn."""
        scalars: dict[str, Tensor] = {}
        for ending, stage, draw, real, conditions in (
            ("_energies", self.energies, self._draw_energies, x[:, : self.n], c),
            ("", self.cells, self._draw_cells, x[:, self.n :], self._with_energies(x, c)),
        ):
            with torch.no_grad():
                fake = draw(x, c)
            found = stage.critic.update(
                real, fake, conditions, step=self.steps, rate=rate, shown=shown
            )
            for _ in range(self.config.turns(self.steps)):
                loss = stage.critic.generator_loss(draw(x, c), real, conditions, shown)
                found["loss_g"] = loss.detach()
                found["gradient_norm_g"] = stage.generator.update(loss, rate)
            scalars |= {f"{name}{ending}": scalar for name, scalar in found.items()}
        self.advance(self.chain, len(x), shown)
        return scalars

    def _with_energies(self, x: Tensor, c: Tensor) -> Tensor:
        """Return the conditions of the cells' discriminator, which include the energies."""
        return torch.cat([c, x[:, : self.n]], dim=1)

    def _draw_energies(self, x: Tensor, c: Tensor) -> Tensor:
        """Draw energies (N, n_globals); the real cells complete them to an event."""
        z = self.latents(len(x), self.chain.latents[0])
        raw = torch.cat([self.energies.generator.network(z, c), x[:, self.n :]], dim=1)
        return self.encoding.constrain(raw, c)[:, : self.n]

    def _draw_cells(self, x: Tensor, c: Tensor) -> Tensor:
        """Draw cells (N, n_cells) for the energies of real events x."""
        z = self.latents(len(x), self.chain.latents[1])
        raw = self.cells.generator.network(torch.cat([x[:, : self.n], z], dim=1), c)
        return self.encoding.constrain(raw, c)[:, self.n :]

    def inspect(self, x: Tensor, c: Tensor) -> dict[str, float]:
        """Return the effective Lipschitz constant and the diversity of drawn cells."""
        cells = x[:, self.n :]
        with torch.no_grad():
            fake = self._draw_cells(x, c)
        return {
            "lipschitz": self.cells.critic.lipschitz(cells, fake, self._with_energies(x, c)),
            "diversity": diversity(cells, fake),
        }

    def parts(self) -> Mapping[str, Stateful]:
        """Return the players of both stages."""
        return {
            "energies": self.energies.generator,
            "cells": self.cells.generator,
            "energies_discriminator": self.energies.critic.learner,
            "cells_discriminator": self.cells.critic.learner,
        }
