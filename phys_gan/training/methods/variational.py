"""Variational training: a conditional autoencoder that maximises a bound of the likelihood.

An autoencoder learned by likelihood, whose decoder then plays against a discriminator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from phys_gan.errors import ConfigError
from phys_gan.losses import censored_log_likelihood, kl_to_normal
from phys_gan.networks import Decoder, Encoder, build_discriminator, build_encoder, build_generator
from phys_gan.training.methods.adversarial import Critic, GameConfig
from phys_gan.training.methods.base import Learner, Method, Setup, Stateful, diversity
from phys_gan.training.techniques import Section

__all__ = [
    "Evidence",
    "VaeGan",
    "VaeGanConfig",
    "Variational",
    "VariationalConfig",
    "build_autoencoder",
]


class VariationalConfig(Section):
    """Options of :class:`Variational`.

    Attributes:
        kind: The method.
        kl_weight: Weight of the divergence; 1 makes the loss a bound of -ln p(x | c).
    """

    kind: Literal["variational"] = "variational"
    kl_weight: float = Field(default=1.0, gt=0)

    @property
    def references(self) -> tuple[str, ...]:
        """The bound, its conditional form, and the likelihood of cells cut at zero."""
        return ("kingma2013vae", "sohn2015cvae", "tobin1958limited")


class Evidence(nn.Module):
    r"""Estimate the two terms of the lower bound of the evidence with one sample of the code.

    .. math:: \ln p(x | c) \ge \mathbb{E}_{q(\zeta | x, c)} \ln p(x | \zeta, c)
        - D_\mathrm{KL}(q(\zeta | x, c) \,\|\, \mathcal{N}(0, 1)), \qquad
        \zeta = \mu + \sigma \varepsilon

    References:
        Auto-Encoding Variational Bayes (Kingma and Welling, 2013), Eq. 10,
        https://arxiv.org/abs/1312.6114; conditional: Learning Structured Output Representation
        using Deep Conditional Generative Models (Sohn et al., 2015), Eq. 4. Here the prior of the
        code does not depend on the conditions, and cells may be censored
        (:func:`phys_gan.losses.variational.censored_log_likelihood`).

    Arguments:
        encoder: q.
        decoder: p.
    """

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor, c: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return ln p(x | code, c) and the divergence of each event [nat], (N,) each.

        Arguments:
            x: Encoded events, (N, n_numbers).
            c: Encoded conditions, (N, n_conditions).
            noise: Standard normal numbers, (N, code).
        """
        mean, log_variance = self.encoder(x, c)
        code = mean + (log_variance / 2).exp() * noise
        likelihood = self.decoder.likelihood(code, c, x)
        reconstruction = censored_log_likelihood(x, *likelihood, self.decoder.censored)
        return reconstruction, kl_to_normal(mean, log_variance)


def build_autoencoder(setup: Setup) -> tuple[Encoder, Decoder]:
    """Build encoder and decoder with the scales of real events.

    Raises:
        ConfigError: The networks are no autoencoder.
    """
    decoder = build_generator(setup.network, *setup.sizes)
    if not isinstance(decoder, Decoder):
        raise ConfigError(
            f"the networks '{setup.network.kind}' have no likelihood to maximise",
            remedy="choose network.kind = 'autoencoder', or method.kind = 'adversarial'",
            value=setup.network.kind,
        )
    encoder = build_encoder(setup.network, *setup.sizes)
    for network in (encoder, decoder):
        network.adapt(setup.x.to("cpu"), setup.c.to("cpu"))
    return encoder, decoder


class Variational(Method):
    """Train a conditional variational autoencoder, whose decoder generates.

    Arguments:
        config: Options.
        setup: What it is built from.

    Raises:
        ConfigError: The networks are no autoencoder.
    """

    def __init__(self, config: VariationalConfig, setup: Setup) -> None:
        super().__init__(setup)
        self.config = config
        encoder, decoder = build_autoencoder(setup)
        self.decoder, self.average = decoder, self.averaging(decoder)
        self.learner = Learner(
            Evidence(encoder, decoder), setup.schedule.lr_g, setup.schedule, setup.fabric
        )

    def step(self, x: Tensor, c: Tensor, rate: float, shown: int) -> dict[str, Tensor]:
        """Improve encoder and decoder together."""
        noise = self.latents(len(x), self.decoder.code)
        terms = self.learner.network(x, c, noise)
        reconstruction, kl = (term.mean() for term in terms)
        loss = self.config.kl_weight * kl - reconstruction
        norm = self.learner.update(loss, rate)
        self.advance(self.decoder, len(x), shown)
        return {
            "loss": loss.detach(),
            "reconstruction": reconstruction.detach(),
            "kl": kl.detach(),
            "gradient_norm_g": norm,
        }

    def inspect(self, x: Tensor, c: Tensor) -> dict[str, float]:
        """Return the diversity of generated events."""
        with torch.no_grad():
            raw = self.decoder(self.latents(len(c), self.decoder.latent), c)
        return {"diversity": diversity(x, self.encoding.constrain(raw, c))}

    def parts(self) -> Mapping[str, Stateful]:
        """Return encoder and decoder with their optimiser."""
        return {"autoencoder": self.learner}


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
