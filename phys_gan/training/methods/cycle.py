""":class:`Cycle`: translate the events of one simulation to those of another, without pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from phys_gan.errors import ConfigError
from phys_gan.events import Events
from phys_gan.losses import cycle_consistency, identity
from phys_gan.model import FastSim, Model
from phys_gan.networks import TranslatorConfig
from phys_gan.networks.translator import Translator, TranslatorDiscriminator
from phys_gan.training.methods.adversarial import Critic, GameConfig
from phys_gan.training.methods.base import Learner, Method, Setup, Stateful, diversity

_Direction = Literal["forth", "back"]


class CycleConfig(GameConfig):
    """Options of :class:`Cycle`.

    Attributes:
        kind: The method.
        cycle_weight: Weight of what a translation there and back changes.
        identity_weight: Weight of what a translation changes in events that need none; 0 for no
            such loss.
    """

    papers = ("zhu2017cyclegan",)
    kind: Literal["cycle"] = "cycle"
    cycle_weight: float = Field(default=10.0, ge=0)
    identity_weight: float = Field(default=0.0, ge=0)


class _Side(NamedTuple):
    """Events of one simulation: encoded (N, n_numbers), and their conditions (N, n_conditions)."""

    x: Tensor
    c: Tensor


class _Translators(nn.Module):
    """Both translators under one optimiser, because a cycle runs through both."""

    def __init__(self, forth: Translator, back: Translator) -> None:
        super().__init__()
        self.forth, self.back = forth, back

    def forward(self, direction: _Direction, z: Tensor, c: Tensor) -> Tensor:
        """Translate z (N, source + latent) under c (N, n_conditions) to raw events."""
        translator = self.forth if direction == "forth" else self.back
        raw: Tensor = translator(z, c)
        return raw


class Cycle(Method):
    r"""Train two translators, from the source to the target and back, against two discriminators.

    .. math:: L = L_\mathrm{adv}(G, D_Y) + L_\mathrm{adv}(F, D_X)
        + \lambda \, (\mathbb{E} \lVert F(G(x)) - x \rVert_1
        + \mathbb{E} \lVert G(F(y)) - y \rVert_1)

    with unpaired source events x and target events y. What is kept is G. In the cycle and identity
    losses the last translation is without noise, because noise could not be undone.

    Source and target must have the same spectrum of incident energies, also the held-out ones: G
    does not change conditions, and a difference of the spectra would look like one of the
    simulations. Both need every condition of the networks.

    References:
        Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks
        (Zhu et al., 2017), Eq. 3, https://arxiv.org/abs/1703.10593

    Arguments:
        config: Options.
        setup: What it is built from.

    Raises:
        ConfigError: There are no events to translate, or the network does not translate.
    """

    def __init__(self, config: CycleConfig, setup: Setup) -> None:
        super().__init__(setup)
        if setup.source is None:
            raise ConfigError(
                "the method 'cycle' translates events, and there are none to translate",
                remedy="add --source FILE",
            )
        network = setup.network
        if not isinstance(network, TranslatorConfig):
            raise ConfigError(
                f"the network '{network.kind}' does not translate events",
                remedy="choose network.kind = 'translator' with the method 'cycle'",
                value=network.kind,
            )
        self.config, self.source = config, setup.source
        forth, back = (Translator(*setup.sizes, network) for _ in range(2))
        on_target, on_source = (
            TranslatorDiscriminator(*setup.sizes, network, config.head()) for _ in range(2)
        )
        setup.adapt(forth, back, on_target)
        on_source.adapt(*(t.to("cpu") for t in self.source.batches.draw(0, len(setup.x))))
        config.normalise(forth, back)
        self.latent, self.average = forth.latent, self.averaging(forth)
        self.both = _Translators(forth, back)
        lr, weight = setup.schedule.lr_g, config.historical_weight
        self.translators = Learner(self.both, lr, setup, weight)
        self.on_target = Critic(on_target, config, setup)
        self.on_source = Critic(on_source, config, setup)

    def step(self, x: Tensor, c: Tensor, rate: float, shown: int) -> dict[str, Tensor]:
        """Update both discriminators, and both translators when it is their turn."""
        target, source = _Side(x, c), self._source_side(len(x))
        scalars: dict[str, Tensor] = {}
        there, here = self._translate("forth", source), self._translate("back", target)
        for critic, real, fake, ending in (
            (self.on_target, target, there, ""),
            (self.on_source, source, here, "_source"),
        ):
            found = critic.update(
                _rows(real), _rows(fake).detach(), real.c, step=self.steps, rate=rate, shown=shown
            )
            scalars |= {f"{name}{ending}": value for name, value in found.items()}
        for turn in range(self.config.turns(self.steps)):
            if turn:
                there, here = self._translate("forth", source), self._translate("back", target)
            scalars |= self._translators_step(source, target, there, here, rate, shown)
        self.advance(self.both.forth, len(x), shown)
        return scalars

    def _translators_step(
        self, source: _Side, target: _Side, there: _Side, here: _Side, rate: float, shown: int
    ) -> dict[str, Tensor]:
        """Take one step of both translators, given their translations of both sides."""
        adversarial = self.on_target.generator_loss(_rows(there), _rows(target), there.c, shown)
        adversarial = adversarial + self.on_source.generator_loss(
            _rows(here), _rows(source), here.c, shown
        )
        scalars, loss = {"loss_g": adversarial}, adversarial
        if self.config.cycle_weight:
            cycle = cycle_consistency(source.x, self._translate("back", there, noise=False).x)
            cycle = cycle + cycle_consistency(
                target.x, self._translate("forth", here, noise=False).x
            )
            scalars["cycle"] = cycle
            loss = loss + self.config.cycle_weight * cycle
        if self.config.identity_weight:
            y_same = self._translate("forth", target, noise=False).x
            x_same = self._translate("back", source, noise=False).x
            same = identity(target.x, y_same) + identity(source.x, x_same)
            scalars["identity"] = same
            loss = loss + self.config.identity_weight * same
        scalars["gradient_norm_g"] = self.translators.update(loss, rate)
        return {name: scalar.detach() for name, scalar in scalars.items()}

    def _source_side(self, n: int) -> _Side:
        """Return the source events of this step."""
        return _Side(*self.source.batches.draw(self.steps, n))

    def _translate(self, direction: _Direction, side: _Side, noise: bool = True) -> _Side:
        """Translate encoded events to physical ones, as the model will."""
        x, c = side
        z = self.latents(len(x), self.latent) if noise else x.new_zeros(len(x), self.latent)
        raw = self.translators.network(direction, torch.cat([x, z], dim=1), c)
        return _Side(self.encoding.constrain(raw, c), c)

    def inspect(self, x: Tensor, c: Tensor) -> dict[str, float]:
        """Return the effective Lipschitz constant and the diversity of translated events."""
        with torch.no_grad():
            there = self._translate("forth", self._source_side(len(x)))
        return {
            "lipschitz": self.on_target.lipschitz(_rows(_Side(x, c)), _rows(there), c),
            "diversity": diversity(x, there.x),
        }

    def produce(self, model: Model, held_out: Events, seed: int) -> Events:
        """Translate the held-out source events, whose energies are distributed alike."""
        return FastSim(model).translate(self.source.held_out, seed)

    def parts(self) -> Mapping[str, Stateful]:
        """Return the translators and both discriminators."""
        return {
            "translators": self.translators,
            "discriminator": self.on_target.learner,
            "source_discriminator": self.on_source.learner,
        }


def _rows(side: _Side) -> Tensor:
    """Return events with their conditions, the input of the discriminators."""
    return TranslatorDiscriminator.rows(*side)
