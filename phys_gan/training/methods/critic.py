"""The discriminator's side of a game: its loss, its penalties, and all techniques on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import mse_loss

from phys_gan.networks import Assessment, Discriminator
from phys_gan.networks.spectral import normalise_spectrally
from phys_gan.objectives import LOSSES, clip_weights, feature_matching, gradient_norms, value
from phys_gan.objectives.penalties import interpolates
from phys_gan.training.methods.base import Setup
from phys_gan.training.methods.game import GameConfig
from phys_gan.training.methods.learner import Learner
from phys_gan.training.techniques.unrolling import unroll

__all__ = ["Critic"]


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
        judged: Assessment = self.learner.network(seen_real, packed)
        doubted: Assessment = self.learner.network(seen_fake, packed)
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

        def assess(seen: Tensor) -> Assessment:
            if unrolled is None:
                found: Assessment = self.learner.network(seen, packed)
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
        seen, noise = self.plain.look(x), self.techniques.instance_noise
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
            ends = [self.plain.packed(self.plain.look(x)) for x in (real, fake)]
        points = interpolates(ends[0], ends[1], self.random).requires_grad_()
        norms = gradient_norms(points, self.plain(points, packed).logits)
        return float(norms.detach().max())

    def _loss(self, judged: Assessment, doubted: Assessment, packed: Tensor) -> Tensor:
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
