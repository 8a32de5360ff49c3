"""Variational training: a conditional autoencoder that maximises a bound of the likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from phys_gan.errors import ConfigError
from phys_gan.networks import Decoder, Encoder, build_encoder, build_generator
from phys_gan.objectives import censored_log_likelihood, kl_to_normal
from phys_gan.training.methods.base import Method, Setup, Stateful
from phys_gan.training.methods.diversity import diversity
from phys_gan.training.methods.learner import Learner
from phys_gan.training.section import Section

__all__ = ["Evidence", "Variational", "VariationalConfig", "build_autoencoder"]


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
        (:func:`phys_gan.objectives.censored.censored_log_likelihood`).

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
