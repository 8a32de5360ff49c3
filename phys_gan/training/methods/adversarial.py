"""Adversarial training of a conditional generator against a discriminator.

:class:`GameConfig` has the options of every adversarial method, and :class:`Critic` is the
discriminator's side of such a game; :class:`Adversarial` is the conditional GAN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

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
from phys_gan.training.techniques import Config, Penalties, Techniques, unroll


def _known(name: str) -> str:
    """Require the name of a loss, which may be one that a user has added to the table."""
    if name not in LOSSES:
        raise ValueError(f"should be one of {', '.join(map(repr, LOSSES))}")
    return name


_CONDITIONING = {
    "concatenation": "mirza2014cgan",
    "projection": "miyato2018projection",
    "auxiliary": "odena2016acgan",
}


class GameConfig(Config):
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

    loss: Annotated[str, AfterValidator(_known)] = "non-saturating"
    conditioning: tuple[Conditioning, ...] = ("concatenation", "projection")
    auxiliary_weight: float = Field(default=1.0, gt=0)
    discriminator_steps: int = Field(default=1, ge=1)
    generator_steps: int = Field(default=1, ge=1)
    penalties: Penalties = Penalties()
    techniques: Techniques = Techniques()

    @property
    def references(self) -> tuple[str, ...]:
        """BibTeX keys of the method, of the loss, and of how conditions enter."""
        conditioning = (_CONDITIONING[name] for name in self.conditioning)
        return (*self.papers, LOSSES[self.loss].reference, *conditioning)

    @property
    def historical_weight(self) -> float:
        """Weight of historical averaging in both losses; 0 without."""
        historical = self.techniques.historical_averaging
        return 0.0 if historical is None else historical.weight

    def turns(self, step: int) -> int:
        """Return the number of steps of the generator after this step of the discriminator."""
        return 0 if step % self.discriminator_steps else self.generator_steps

    def normalise(self, *generators: nn.Module) -> None:
        """Normalise generators spectrally if the recipe asks for it."""
        spectral = self.techniques.spectral
        if spectral is not None and spectral.generator:
            for generator in generators:
                normalise_spectrally(generator)

    def head(self) -> HeadConfig:
        """Return the options of the discriminator's head."""
        minibatch, packing = self.techniques.minibatch, self.techniques.packing
        return HeadConfig(
            conditioning=self.conditioning,
            minibatch="none" if minibatch is None else minibatch.kind,
            n_minibatch=16 if minibatch is None else minibatch.features,
            pack=1 if packing is None else packing.m,
        )


class Critic:
    """A discriminator with its losses, its penalties, and all techniques on it.

    Arguments:
        discriminator: The network.
        config: The game.
        setup: What the method is built from.

    Attributes:
        learner: The network with its optimiser, the part of a checkpoint.
    """

    def __init__(self, discriminator: Discriminator, config: GameConfig, setup: Setup) -> None:
        spectral = config.techniques.spectral
        if spectral is not None and spectral.discriminator:
            normalise_spectrally(discriminator)
            discriminator.head.gain = spectral.lipschitz
        self.learner = Learner(discriminator, setup.schedule.lr_d, setup, config.historical_weight)
        self.plain, self.random = discriminator, setup.random
        self.config, self.techniques, self.loss = config, config.techniques, LOSSES[config.loss]

    def update(
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

        Returns:
            Named scalars.
        """
        penalties, packed = self.config.penalties, self.plain.packed(c)
        # The discriminator's outputs, differentiable with respect to its input where a penalty
        # of this step needs that.
        real_input = self._input(real, shown).detach()
        real_input.requires_grad_(penalties.r1 is not None and penalties.r1.due(step))
        fake_input = self._input(fake, shown).detach()
        fake_input.requires_grad_(penalties.r2 is not None and penalties.r2.due(step))
        on_real: DiscriminatorOutput = self.learner.network(real_input, packed)
        on_fake: DiscriminatorOutput = self.learner.network(fake_input, packed)
        loss = self._discriminator_loss(on_real, on_fake, packed)
        with torch.no_grad():
            scalars = {
                "loss_d": loss,
                "value": value(on_real.logits, on_fake.logits),
                "accuracy_real": (on_real.logits > 0).float().mean(),
                "accuracy_generated": (on_fake.logits < 0).float().mean(),
            }
        # Penalties, then the step.
        for name, weight, penalty in penalties.terms(
            step,
            lambda points: self.learner.network(points, packed).logits,
            (real_input, on_real.logits),
            (fake_input, on_fake.logits),
            self.random,
        ):
            scalars[name] = penalty
            loss = loss + weight * penalty
        scalars["gradient_norm_d"] = self.learner.update(loss, rate)
        if penalties.clipping is not None:
            clip_weights(self.plain.parameters(), penalties.clipping.limit)
        return {name: scalar.detach() for name, scalar in scalars.items()}

    def generator_loss(self, fake: Tensor, real: Tensor, c: Tensor, shown: int) -> Tensor:
        """Return the generator's loss; the discriminator does not change.

        Arguments:
            fake: Encoded generated events, through which gradients flow, (N, n_numbers).
            real: Encoded real events under the same conditions, (N, n_numbers).
            c: Encoded conditions, (N, n_conditions).
            shown: Events shown so far.
        """
        self.plain.requires_grad_(False)
        packed = self.plain.packed(c)
        matching, unrolling = self.techniques.feature_matching, self.techniques.unrolling
        compared = self.loss.relativistic or matching is not None
        # Preprocessing takes as long as the network: of real events only where the loss needs them.
        fake_input = self._input(fake, shown)
        real_input = self._input(real, shown) if compared or unrolling else fake_input

        unrolled = None
        if unrolling is not None:
            unrolled = self._unrolled(real_input, fake_input, packed, unrolling.steps)

        def network(points: Tensor) -> DiscriminatorOutput:
            output: DiscriminatorOutput
            if unrolled is None:
                output = self.learner.network(points, packed)
            else:
                output = functional_call(self.plain, unrolled, (points, packed))
            return output

        on_fake = network(fake_input)
        on_real = network(real_input) if compared else on_fake
        loss = self.loss.generator(on_fake.logits, on_real.logits)
        if matching is not None:
            matched = matching.weight * feature_matching(on_real.features, on_fake.features)
            loss = matched if matching.replace else loss + matched
        if "auxiliary" in self.config.conditioning:
            loss = loss + self.config.auxiliary_weight * mse_loss(on_fake.conditions, packed)
        self.plain.requires_grad_(True)
        return loss

    def lipschitz(self, real: Tensor, fake: Tensor, c: Tensor) -> float:
        """Return the largest gradient norm of the logit between real and generated events.

        It is a lower bound of the Lipschitz constant of the logit.
        """
        with torch.no_grad():
            ends = [self.plain.packed(self.plain.preprocess(x)) for x in (real, fake)]
        points = interpolates(ends[0], ends[1], self.random).requires_grad_()
        norms = gradient_norms(points, self.plain(points, self.plain.packed(c)).logits)
        return float(norms.detach().max())

    def _input(self, x: Tensor, shown: int) -> Tensor:
        """Return preprocessed and packed events, with instance noise if there is any."""
        seen, noise = self.plain.preprocess(x), self.techniques.instance_noise
        if noise is not None and (level := noise.level(shown)) > 0:
            drawn = torch.randn(seen.shape, generator=self.random, device=seen.device)
            seen = seen + level * drawn
        return self.plain.packed(seen)

    def _discriminator_loss(
        self, on_real: DiscriminatorOutput, on_fake: DiscriminatorOutput, packed: Tensor
    ) -> Tensor:
        smoothing = self.techniques.label_smoothing
        label = 1.0 if smoothing is None else smoothing.real
        loss = self.loss.discriminator(on_real.logits, on_fake.logits, label)
        if "auxiliary" in self.config.conditioning:
            loss = loss + self.config.auxiliary_weight * mse_loss(on_real.conditions, packed)
        return loss

    def _unrolled(
        self, real_input: Tensor, fake_input: Tensor, packed: Tensor, steps: int
    ) -> dict[str, Tensor]:
        """Return the discriminator's weights after further steps against this generator."""

        def loss(weights: Mapping[str, Tensor]) -> Tensor:
            on_real, on_fake = (
                functional_call(self.plain, dict(weights), (points, packed))
                for points in (real_input, fake_input)
            )
            return self._discriminator_loss(on_real, on_fake, packed)

        return unroll(self.plain, self.learner.adam, loss, steps)


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
        setup.adapt(generator, discriminator)
        config.normalise(generator)
        self.latent, self.average = generator.latent, self.averaging(generator)
        self.generator = Learner(generator, setup.schedule.lr_g, setup, config.historical_weight)
        self.critic = Critic(discriminator, config, setup)
        self.networks = (generator, self.average.generator, discriminator)

    def step(self, x: Tensor, c: Tensor, rate: float, shown: int) -> dict[str, Tensor]:
        """Update the discriminator, and the generator when it is its turn."""
        for network in self.networks:
            network.grow(shown)
        with torch.no_grad():
            fake = self._generate(c)
        scalars = self.critic.update(x, fake, c, step=self.steps, rate=rate, shown=shown)
        for _ in range(self.config.turns(self.steps)):
            fake = self._generate(c)
            loss = self.critic.generator_loss(fake, x, c, shown)
            scalars["loss_g"] = loss.detach()
            if self.config.energy_weight > 0:
                total = self.encoding.decode(fake, c).sum(1)
                miss = (total - self.encoding.incident_energy(c)).abs().mean() / 1e3
                scalars["energy_miss_GeV"] = miss.detach()
                loss = loss + self.config.energy_weight * miss
            scalars["gradient_norm_g"] = self.generator.update(loss, rate)
        self.advance(self.generator.plain, len(x), shown)
        return scalars

    def _generate(self, c: Tensor) -> Tensor:
        z = self.latents(len(c), self.latent)
        return self.encoding.constrain(self.generator.network(z, c), c)

    def inspect(self, x: Tensor, c: Tensor) -> dict[str, float]:
        """Return the effective Lipschitz constant and the diversity of generated events."""
        with torch.no_grad():
            fake = self._generate(c)
        return {"lipschitz": self.critic.lipschitz(x, fake, c), "diversity": diversity(x, fake)}

    def parts(self) -> Mapping[str, Stateful]:
        """Return both players."""
        return {"generator": self.generator, "discriminator": self.critic.learner}
