"""An autoencoder learned by likelihood, whose decoder then plays against a discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from phys_gan.networks import build_discriminator
from phys_gan.training.methods.base import Method, Setup, Stateful
from phys_gan.training.methods.critic import Critic
from phys_gan.training.methods.diversity import diversity
from phys_gan.training.methods.game import GameConfig
from phys_gan.training.methods.learner import Learner
from phys_gan.training.methods.variational import Evidence, build_autoencoder

__all__ = ["VaeGan", "VaeGanConfig"]

_SAMPLE = 10_000
"""Events from which the discriminator takes its scales."""


class VaeGanConfig(GameConfig):
    """Options of :class:`VaeGan`.

    Attributes:
        kind: The method.
        likelihood_events: Events shown before the discriminator joins in.
        introduction: Further events for which it learns alone against generated events.
        adversarial_weight: Weight of its loss; that of the likelihood, per number of an event, is
            1.
        adversarial_rate: Factor on the generator's learning rate once it is judged.
    """

    kind: Literal["vae-gan"] = "vae-gan"
    likelihood_events: int = Field(default=1_000_000, ge=0)
    introduction: int = Field(default=50_000, ge=0)
    adversarial_weight: float = Field(default=1.0, gt=0)
    adversarial_rate: float = Field(default=0.1, gt=0)

    @property
    def references(self) -> tuple[str, ...]:
        """The autoencoder that plays, its parts, and the game."""
        parts = ("larsen2015vaegan", "kingma2013vae", "sohn2015cvae", "tobin1958limited")
        return (*parts, *super().references)


class VaeGan(Method):
    r"""Train a conditional GAN whose generator is anchored by a likelihood.

    .. math:: L_G = -\frac{1}{F} \mathrm{ELBO} + w \, L_\mathrm{adv}

    First the likelihood of F numbers per event alone, which finds every mode and how cells
    fluctuate; then also the judgement of a discriminator on events that are generated from the
    prior, which sees what a likelihood of single cells does not.

    References:
        Autoencoding beyond pixels using a learned similarity metric (Larsen et al., 2015),
        https://arxiv.org/abs/1512.09300

    Arguments:
        config: Options.
        setup: What it is built from.

    Raises:
        ConfigError: The networks are no autoencoder.
    """

    def __init__(self, config: VaeGanConfig, setup: Setup) -> None:
        super().__init__(setup)
        self.config = config
        encoder, decoder = build_autoencoder(setup)
        discriminator = build_discriminator(setup.network, *setup.sizes, config.head())
        with torch.no_grad():
            sample = slice(0, _SAMPLE)
            seen = self.encoding.physical(setup.x[sample], setup.c[sample])
        discriminator.adapt(seen.to("cpu"), setup.c[sample].to("cpu"))
        config.prepare(decoder)
        self.decoder, self.average = decoder, self.averaging(decoder)
        self.learner = Learner(
            Evidence(encoder, decoder),
            setup.schedule.lr_g,
            setup.schedule,
            setup.fabric,
            config.historical_weight,
        )
        self.critic = Critic(discriminator, config, setup)

    def step(self, x: Tensor, c: Tensor, rate: float, shown: int) -> dict[str, Tensor]:
        """Improve the autoencoder, and the discriminator when it is its time.

        From then on they take turns, in the likelihood as well.
        """
        scalars: dict[str, Tensor] = {}
        real, turns, begins = None, 1, self.config.likelihood_events
        if shown >= begins:
            turns = self.config.turns(self.steps)
            with torch.no_grad():
                real, fake = self.encoding.physical(x, c), self._generate(c)
            scalars |= self.critic.improve(real, fake, c, step=self.steps, rate=rate, shown=shown)
        compared = real if shown >= begins + self.config.introduction else None
        for _ in range(turns):
            scalars |= self._autoencoder_step(x, compared, c, rate, shown)
        self.advance(self.decoder, len(x), shown)
        return scalars

    def _autoencoder_step(
        self, x: Tensor, real: Tensor | None, c: Tensor, rate: float, shown: int
    ) -> dict[str, Tensor]:
        """Take one step by the likelihood, and by the judgement where there are real events."""
        noise = self.latents(len(x), self.decoder.code)
        reconstruction, kl = (term.mean() for term in self.learner.network(x, c, noise))
        loss = (kl - reconstruction) / x.shape[1]
        scalars = {"reconstruction": reconstruction.detach(), "kl": kl.detach()}
        if real is not None:
            adversarial = self.critic.oppose(self._generate(c), real, c, shown)
            scalars["loss_g"] = adversarial.detach()
            loss = loss + self.config.adversarial_weight * adversarial
            rate = rate * self.config.adversarial_rate
        scalars["loss"] = loss.detach()
        scalars["gradient_norm_g"] = self.learner.update(loss, rate)
        return scalars

    def _generate(self, c: Tensor) -> Tensor:
        raw = self.decoder(self.latents(len(c), self.decoder.latent), c)
        return self.encoding.physical(raw, c)

    def inspect(self, x: Tensor, c: Tensor) -> dict[str, float]:
        """Return the effective Lipschitz constant and the diversity of generated events."""
        with torch.no_grad():
            real, fake = self.encoding.physical(x, c), self._generate(c)
        return {
            "lipschitz": self.critic.lipschitz(real, fake, c),
            "diversity": diversity(real, fake),
        }

    def parts(self) -> Mapping[str, Stateful]:
        """Return the autoencoder and the discriminator, with their optimisers."""
        return {"autoencoder": self.learner, "discriminator": self.critic}
