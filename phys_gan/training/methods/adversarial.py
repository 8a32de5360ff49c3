"""Adversarial training of a conditional generator against one discriminator.

The options that every adversarial method has.

The discriminator's side of a game: its loss, its penalties, and all techniques on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import mse_loss

from phys_gan.losses import LOSSES, clip_weights, feature_matching, gradient_norms, value
from phys_gan.losses.penalties import interpolates
from phys_gan.networks import (
    Conditioning,
    Discriminator,
    DiscriminatorOutput,
    HeadConfig,
    build_discriminator,
    build_generator,
)
from phys_gan.networks.blocks import normalise_spectrally
from phys_gan.training.methods.base import Learner, Method, Setup, Stateful, diversity
from phys_gan.training.techniques import Penalties, Section, Techniques, unroll

__all__ = ["Adversarial", "AdversarialConfig", "Critic", "GameConfig", "LossName"]


def _known(name: str) -> str:
    """Require the name of a loss, also of one that a user has added to the table."""
    if name not in LOSSES:
        raise ValueError(f"should be one of {', '.join(map(repr, LOSSES))}")
    return name


LossName = Annotated[str, AfterValidator(_known)]
_CONDITIONING = {
    "concatenation": "mirza2014cgan",
    "projection": "miyato2018projection",
    "auxiliary": "odena2016acgan",
}


class GameConfig(Section):
    """How a generator and a discriminator learn from each other.

    Attributes:
        loss: The adversarial loss, of :data:`phys_gan.losses.LOSSES`.
        conditioning: How conditions enter the discriminator; any of "concatenation", "projection"
            and "auxiliary".
        auxiliary_weight: Weight of the squared error of conditions that are read from events.
        discriminator_steps: Steps of the discriminator, each with its own batch, for one turn of
            the generator.
        generator_steps: Steps of the generator in its turn.
        penalties: Penalties on the discriminator.
        techniques: Techniques.
    """

    loss: LossName = "non-saturating"
    conditioning: tuple[Conditioning, ...] = ("concatenation", "projection")
    auxiliary_weight: float = Field(default=1.0, gt=0)
    discriminator_steps: int = Field(default=1, ge=1)
    generator_steps: int = Field(default=1, ge=1)
    penalties: Penalties = Penalties()
    techniques: Techniques = Techniques()

    @property
    def references(self) -> tuple[str, ...]:
        """The loss, and how conditions enter."""
        return (LOSSES[self.loss].reference, *(_CONDITIONING[name] for name in self.conditioning))

    @property
    def historical_weight(self) -> float:
        """Weight of historical averaging in both losses; 0 without."""
        historical = self.techniques.historical_averaging
        return 0.0 if historical is None else historical.weight

    def turns(self, step: int) -> int:
        """Return how many steps the generator takes after this step of the discriminator."""
        return 0 if step % self.discriminator_steps else self.generator_steps

    def prepare(self, *generators: nn.Module) -> None:
        """Normalise generators spectrally where that is asked for."""
        spectral = self.techniques.spectral
        if spectral is not None and spectral.generator:
            for generator in generators:
                normalise_spectrally(generator)

    def head(self) -> HeadConfig:
        """Return what this game asks of the head of its discriminator."""
        minibatch, packing = self.techniques.minibatch, self.techniques.packing
        return HeadConfig(
            conditioning=self.conditioning,
            minibatch="none" if minibatch is None else minibatch.kind,
            n_minibatch=16 if minibatch is None else minibatch.features,
            pack=1 if packing is None else packing.m,
        )


class Critic:
    """Tell real events from generated ones, and tell a generator how it does.

    Arguments:
        discriminator: The network.
        config: The game.
        setup: What the method is built from.
    """

    def __init__(self, discriminator: Discriminator, config: GameConfig, setup: Setup) -> None:
        techniques = config.techniques
        if techniques.spectral is not None and techniques.spectral.discriminator:
            normalise_spectrally(discriminator)
            discriminator.head.gain = techniques.spectral.lipschitz
        self.learner = Learner(
            discriminator,
            setup.schedule.lr_d,
            setup.schedule,
            setup.fabric,
            config.historical_weight,
        )
        self.plain, self.random = discriminator, setup.random
        self.config, self.techniques, self.loss = config, techniques, LOSSES[config.loss]

    def improve(
        self, real: Tensor, fake: Tensor, c: Tensor, *, step: int, rate: float, shown: int
    ) -> dict[str, Tensor]:
        """Take one step of the discriminator.

        Arguments:
            real: Encoded real events, (N, n_numbers).
            fake: Encoded generated events under the same conditions, (N, n_numbers).
            c: Encoded conditions, (N, n_conditions).
            step: Number of the step.
            rate: Factor on the learning rate.
            shown: Events shown so far.
        """
        penalties, packed = self.config.penalties, self.plain.packed(c)
        on_real = penalties.r1 is not None and penalties.r1.due(step)
        on_fake = penalties.r2 is not None and penalties.r2.due(step)
        seen_real = self.see(real, shown).detach().requires_grad_(on_real)
        seen_fake = self.see(fake, shown).detach().requires_grad_(on_fake)
        judged: DiscriminatorOutput = self.learner.network(seen_real, packed)
        doubted: DiscriminatorOutput = self.learner.network(seen_fake, packed)
        loss = self._loss(judged, doubted, packed)
        with torch.no_grad():
            scalars = {
                "loss_d": loss,
                "value": value(judged.logits, doubted.logits),
                "accuracy_real": (judged.logits > 0).float().mean(),
                "accuracy_generated": (doubted.logits < 0).float().mean(),
            }
        for name, weight, penalty in penalties.due(
            step,
            lambda seen: self.learner.network(seen, packed).logits,
            (seen_real, judged.logits),
            (seen_fake, doubted.logits),
            self.random,
        ):
            scalars[name] = penalty
            loss = loss + weight * penalty
        scalars["gradient_norm_d"] = self.learner.update(loss, rate)
        if penalties.clipping is not None:
            clip_weights(self.plain.parameters(), penalties.clipping.limit)
        return {name: scalar.detach() for name, scalar in scalars.items()}

    def oppose(self, fake: Tensor, real: Tensor, c: Tensor, shown: int) -> Tensor:
        """Return the generator's loss; the discriminator stays as it is.

        Arguments:
            fake: Encoded generated events, through which gradients flow, (N, n_numbers).
            real: Encoded real events under the same conditions, (N, n_numbers).
            c: Encoded conditions, (N, n_conditions).
            shown: Events shown so far.
        """
        self.plain.requires_grad_(False)
        packed, matching = self.plain.packed(c), self.techniques.feature_matching
        seen_fake = self.see(fake, shown)
        compared = self.loss.relativistic or matching is not None
        # What is not needed is not looked at: that takes as long as the network itself.
        seen_real = self.see(real, shown) if compared or self.techniques.unrolling else None
        unrolled = None if seen_real is None else self._unrolled(seen_real, seen_fake, packed)

        def assess(seen: Tensor) -> DiscriminatorOutput:
            if unrolled is None:
                found: DiscriminatorOutput = self.learner.network(seen, packed)
            else:
                found = functional_call(self.plain, unrolled, (seen, packed))
            return found

        doubted = assess(seen_fake)
        judged = assess(seen_real) if compared and seen_real is not None else doubted
        loss = self.loss.generator(doubted.logits, judged.logits)
        if matching is not None:
            matched = matching.weight * feature_matching(judged.features, doubted.features)
            loss = matched if matching.replace else loss + matched
        if "auxiliary" in self.config.conditioning:
            loss = loss + self.config.auxiliary_weight * mse_loss(doubted.conditions, packed)
        self.plain.requires_grad_(True)
        return loss

    def see(self, x: Tensor, shown: int) -> Tensor:
        """Return packed events as they are seen, with instance noise where there is any."""
        seen, noise = self.plain.preprocess(x), self.techniques.instance_noise
        if noise is not None and (level := noise.level(shown)) > 0:
            drawn = torch.randn(seen.shape, generator=self.random, device=seen.device)
            seen = seen + level * drawn
        return self.plain.packed(seen)

    def lipschitz(self, real: Tensor, fake: Tensor, c: Tensor) -> float:
        """Return the largest gradient norm of the logit between real and generated events.

        A lower bound of the Lipschitz constant of the judgement.
        """
        packed = self.plain.packed(c)
        with torch.no_grad():
            ends = [self.plain.packed(self.plain.preprocess(x)) for x in (real, fake)]
        points = interpolates(ends[0], ends[1], self.random).requires_grad_()
        norms = gradient_norms(points, self.plain(points, packed).logits)
        return float(norms.detach().max())

    def _loss(
        self, judged: DiscriminatorOutput, doubted: DiscriminatorOutput, packed: Tensor
    ) -> Tensor:
        smoothing = self.techniques.label_smoothing
        label = 1.0 if smoothing is None else smoothing.real
        loss = self.loss.discriminator(judged.logits, doubted.logits, label)
        if "auxiliary" in self.config.conditioning:
            loss = loss + self.config.auxiliary_weight * mse_loss(judged.conditions, packed)
        return loss

    def _unrolled(
        self, seen_real: Tensor, seen_fake: Tensor, packed: Tensor
    ) -> dict[str, Tensor] | None:
        unrolling = self.techniques.unrolling
        if unrolling is None:
            return None

        def loss(weights: Mapping[str, Tensor]) -> Tensor:
            judged, doubted = (
                functional_call(self.plain, dict(weights), (seen, packed))
                for seen in (seen_real, seen_fake)
            )
            return self._loss(judged, doubted, packed)

        return unroll(self.plain, self.learner.adam, loss, unrolling.steps)

    def state_dict(self) -> dict[str, Any]:
        """Return weights, moments and history."""
        return self.learner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.learner.load_state_dict(state)


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
