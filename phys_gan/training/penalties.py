"""Penalties of a recipe: which, how much, how often."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from pydantic import Field
from torch import Tensor

from phys_gan.objectives import interpolates, one_centred, perturbed, r1, r2
from phys_gan.training.section import Section

__all__ = ["R1", "R2", "Clipping", "Dragan", "Gradient", "Penalties"]


class _Lazy(Section):
    """A penalty that is taken every so many steps, with its weight times as much.

    Attributes:
        weight: Weight.
        every: Steps from one to the next (lazy regularisation, arXiv:1912.04958, Sec. 3.1).
    """

    weight: float = Field(default=10.0, gt=0)
    every: int = Field(default=1, ge=1)

    def due(self, step: int) -> bool:
        """Return whether it is taken at this step."""
        return step % self.every == 0

    def _with_lazy(self, *keys: str) -> tuple[str, ...]:
        return (*keys, "karras2019stylegan2") if self.every > 1 else keys


class R1(_Lazy):
    """Zero-centred gradient penalty on real events (arXiv:1801.04406)."""

    weight: float = Field(default=4.0, gt=0)
    every: int = Field(default=8, ge=1)

    @property
    def references(self) -> tuple[str, ...]:
        """Mescheder et al."""
        return self._with_lazy("mescheder2018r1")


class R2(R1):
    """Zero-centred gradient penalty on generated events (arXiv:1801.04406)."""


class Gradient(_Lazy):
    """One-centred gradient penalty between real and generated events (WGAN-GP)."""

    @property
    def references(self) -> tuple[str, ...]:
        """Gulrajani et al."""
        return self._with_lazy("gulrajani2017wgangp")


class Dragan(_Lazy):
    """One-centred gradient penalty around real events (DRAGAN).

    Attributes:
        spread: How far around, in standard deviations of the real events.
    """

    spread: float = Field(default=0.5, gt=0)

    @property
    def references(self) -> tuple[str, ...]:
        """Kodali et al."""
        return self._with_lazy("kodali2017dragan")


class Clipping(Section):
    """Weights of the critic are kept within limits (WGAN).

    Attributes:
        limit: Largest absolute value.
    """

    limit: float = Field(default=0.01, gt=0)

    @property
    def references(self) -> tuple[str, ...]:
        """Arjovsky et al."""
        return ("arjovsky2017wgan",)


class Penalties(Section):
    """Penalties on the discriminator, taken on what it sees; any number of them.

    Attributes:
        r1: On real events.
        r2: On generated events.
        gradient: Between both.
        dragan: Around real events.
        clipping: On the weights.
    """

    r1: R1 | None = None
    r2: R2 | None = None
    gradient: Gradient | None = None
    dragan: Dragan | None = None
    clipping: Clipping | None = None

    @property
    def of_gradients(self) -> list[str]:
        """Names of the gradient penalties in use."""
        names = ("r1", "r2", "gradient", "dragan")
        return [name for name in names if getattr(self, name) is not None]

    def due(
        self,
        step: int,
        judge: Callable[[Tensor], Tensor],
        real: tuple[Tensor, Tensor],
        fake: tuple[Tensor, Tensor],
        random: torch.Generator,
    ) -> Iterator[tuple[str, float, Tensor]]:
        """Compute the gradient penalties of this step.

        Arguments:
            step: Number of the step.
            judge: Logits (N,) of seen events (N, F).
            real: Real events as they are seen (N, F), and their logits.
            fake: The same of generated events; they require gradients where R1 or R2 is due.
            random: Random stream.

        Returns:
            Name, weight and value of each.
        """
        if self.r1 and self.r1.due(step):
            yield "r1", self.r1.weight * self.r1.every, r1(*real)
        if self.r2 and self.r2.due(step):
            yield "r2", self.r2.weight * self.r2.every, r2(*fake)
        if self.gradient and self.gradient.due(step):
            between = interpolates(real[0].detach(), fake[0].detach(), random).requires_grad_()
            weight = self.gradient.weight * self.gradient.every
            yield "gradient_penalty", weight, one_centred(between, judge(between))
        if self.dragan and self.dragan.due(step):
            around = perturbed(real[0].detach(), random, self.dragan.spread).requires_grad_()
            weight = self.dragan.weight * self.dragan.every
            yield "dragan", weight, one_centred(around, judge(around))
