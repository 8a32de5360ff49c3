"""Variational training: an autoencoder that learns by likelihood, alone or as a GAN's generator.

:class:`Variational` maximises the evidence lower bound (:class:`Elbo`) of a conditional
autoencoder; the decoder of :class:`VaeGan` then also plays against a discriminator.
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
from phys_gan.training.techniques import Config

_SAMPLE = 10_000
"""Events from which the discriminator of :class:`VaeGan` takes its scales."""


class VariationalConfig(Config):
    """Options of :class:`Variational`.

    Attributes:
        kind: The method.
        kl_weight: Weight of the divergence; with 1 the loss is a bound of -ln p(x | c).
    """

    papers = ("kingma2013vae", "sohn2015cvae", "tobin1958limited")
    kind: Literal["variational"] = "variational"
    kl_weight: float = Field(default=1.0, gt=0)


class Elbo(nn.Module):
    r"""Estimate the two terms of the evidence lower bound with one sample of the code.

    .. math:: \ln p(x | c) \ge \mathbb{E}_{q(\zeta | x, c)} \ln p(x | \zeta, c)
        - D_\mathrm{KL}(q(\zeta | x, c) \,\|\, \mathcal{N}(0, 1)), \qquad
        \zeta = \mu + \sigma \varepsilon

    References:
        Auto-Encoding Variational Bayes (Kingma and Welling, 2013), Eq. 10,
        https://arxiv.org/abs/1312.6114; conditional: Learning Structured Output Representation
        using Deep Conditional Generative Models (Sohn et al., 2015), Eq. 4. Here the prior of the
        code does not depend on the conditions, and cells may be censored
        (:func:`phys_gan.losses.censored_log_likelihood`).

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


def _autoencoder(setup: Setup) -> tuple[Encoder, Decoder]:
    """Build encoder and decoder, with the scales of real events.

    Raises:
        ConfigError: The networks are not an autoencoder.
    """
    decoder = build_generator(setup.network, *setup.sizes)
    if not isinstance(decoder, Decoder):
        raise ConfigError(
            f"the networks '{setup.network.kind}' have no likelihood to maximise",
            remedy="choose network.kind = 'autoencoder', or method.kind = 'adversarial'",
            value=setup.network.kind,
        )
    encoder = build_encoder(setup.network, *setup.sizes)
    setup.adapt(encoder, decoder)
    return encoder, decoder


class Variational(Method):
    """Train a conditional variational autoencoder, whose decoder generates.

    Arguments:
        config: Options.
        setup: What it is built from.

    Raises:
        ConfigError: The networks are not an autoencoder.
    """

    def __init__(self, config: VariationalConfig, setup: Setup) -> None:
        super().__init__(setup)
        self.config = config
        encoder, decoder = _autoencoder(setup)
        self.decoder, self.average = decoder, self.averaging(decoder)
        self.learner = Learner(Elbo(encoder, decoder), setup.schedule.lr_g, setup)

    def step(self, x: Tensor, c: Tensor, rate: float, shown: int) -> dict[str, Tensor]:
        """Update encoder and decoder together."""
        noise = self.latents(len(x), self.decoder.code)
        reconstruction, kl = (term.mean() for term in self.learner.network(x, c, noise))
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


class VaeGanConfig(GameConfig):
    """Options of :class:`VaeGan`.

    Attributes:
        kind: The method.
        likelihood_events: Events shown before the discriminator starts to learn.
        introduction: Further events shown before the generator learns from it.
        adversarial_weight: Weight of the adversarial loss; that of the likelihood, per number of
            an event, is 1.
        adversarial_rate: Factor on the generator's learning rate from then on.
    """

    papers = ("larsen2015vaegan", "kingma2013vae", "sohn2015cvae", "tobin1958limited")
    kind: Literal["vae-gan"] = "vae-gan"
    likelihood_events: int = Field(default=1_000_000, ge=0)
    introduction: int = Field(default=50_000, ge=0)
    adversarial_weight: float = Field(default=1.0, gt=0)
    adversarial_rate: float = Field(default=0.1, gt=0)


class VaeGan(Method):
    r"""Train a conditional GAN whose generator is anchored by a likelihood.

    .. math:: L_G = -\frac{1}{F} \mathrm{ELBO} + w \, L_\mathrm{adv}

    At first the likelihood of the F numbers of an event alone, which learns every mode and the
    fluctuations of cells; then also the adversarial loss of events that are generated from the
    prior, which learns the correlations that a likelihood of single cells misses.

    References:
        Autoencoding beyond pixels using a learned similarity metric (Larsen et al., 2015),
        https://arxiv.org/abs/1512.09300

    Arguments:
        config: Options.
        setup: What it is built from.

    Raises:
        ConfigError: The networks are not an autoencoder.
    """

    def __init__(self, config: VaeGanConfig, setup: Setup) -> None:
        super().__init__(setup)
        self.config = config
        encoder, decoder = _autoencoder(setup)
        discriminator = build_discriminator(setup.network, *setup.sizes, config.head())
        x, c = setup.x[:_SAMPLE], setup.c[:_SAMPLE]
        with torch.no_grad():
            discriminator.adapt(self.encoding.physical(x, c).to("cpu"), c.to("cpu"))
        config.normalise(decoder)
        self.decoder, self.average = decoder, self.averaging(decoder)
        elbo = Elbo(encoder, decoder)
        self.learner = Learner(elbo, setup.schedule.lr_g, setup, config.historical_weight)
        self.critic = Critic(discriminator, config, setup)

    def step(self, x: Tensor, c: Tensor, rate: float, shown: int) -> dict[str, Tensor]:
        """Update the autoencoder, and the discriminator when it is time.

        From then on they take turns, in the likelihood as well.
        """
        scalars: dict[str, Tensor] = {}
        real, turns, start = None, 1, self.config.likelihood_events
        if shown >= start:
            turns = self.config.turns(self.steps)
            with torch.no_grad():
                real, fake = self.encoding.physical(x, c), self._generate(c)
            scalars |= self.critic.update(real, fake, c, step=self.steps, rate=rate, shown=shown)
        for _ in range(turns):
            noise = self.latents(len(x), self.decoder.code)
            reconstruction, kl = (term.mean() for term in self.learner.network(x, c, noise))
            loss, factor = (kl - reconstruction) / x.shape[1], 1.0
            scalars |= {"reconstruction": reconstruction.detach(), "kl": kl.detach()}
            if real is not None and shown >= start + self.config.introduction:
                adversarial = self.critic.generator_loss(self._generate(c), real, c, shown)
                scalars["loss_g"] = adversarial.detach()
                loss = loss + self.config.adversarial_weight * adversarial
                factor = self.config.adversarial_rate
            scalars["loss"] = loss.detach()
            scalars["gradient_norm_g"] = self.learner.update(loss, rate * factor)
        self.advance(self.decoder, len(x), shown)
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
        return {"autoencoder": self.learner, "discriminator": self.critic.learner}
