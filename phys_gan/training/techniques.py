"""Techniques against what goes wrong in adversarial training: small, each with its own options.

Two time scales, the averaged generator and the end by a physics metric belong to every schedule
(:class:`~phys_gan.training.schedule.TrainingConfig`); virtual batch normalisation to a network
(:class:`~phys_gan.networks.MlpConfig`).

What every section of a recipe is: frozen, without unknown keys, and knowing its papers.

Penalties of a recipe: which, how much, how often.

Feature matching: a generator's goal that a discriminator's confidence cannot spoil.

Historical averaging: weights that circle each other are drawn to their mean over time.

Instance noise: two narrow distributions overlap before the discriminator compares them.

One-sided label smoothing: a discriminator that is never entirely sure of real events.

What the discriminator is told about the other events of the batch.

PacGAN: a discriminator that judges several events at once sees when they are too alike.

Spectral normalisation: which of the two networks.

Unrolled GAN: the generator sees how the discriminator will answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from phys_gan.losses import historical_distance, interpolates, one_centred, perturbed, r1, r2

__all__ = [
    "R1",
    "R2",
    "Clipping",
    "Dragan",
    "FeatureMatching",
    "Gradient",
    "HistoricalAveraging",
    "History",
    "InstanceNoise",
    "LabelSmoothing",
    "Minibatch",
    "Packing",
    "Penalties",
    "Section",
    "Spectral",
    "Techniques",
    "Unrolling",
    "unroll",
]


class Section(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def references(self) -> tuple[str, ...]:
        """BibTeX keys of what the chosen options use."""
        return ()


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


class FeatureMatching(Section):
    """Match the means of the discriminator's features over real and generated events.

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.1,
        https://arxiv.org/abs/1606.03498

    Attributes:
        weight: Weight in the generator's loss.
        replace: Whether it replaces the generator's adversarial loss, as published, or is added.
    """

    weight: float = Field(default=1.0, gt=0)
    replace: bool = True

    @property
    def references(self) -> tuple[str, ...]:
        """Salimans et al."""
        return ("salimans2016improved",)


class HistoricalAveraging(Section):
    """Add the squared distance of all weights from their mean over the steps so far.

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.3,
        https://arxiv.org/abs/1606.03498

    Attributes:
        weight: Weight in both losses.
    """

    weight: float = Field(default=1e-3, gt=0)

    @property
    def references(self) -> tuple[str, ...]:
        """Salimans et al."""
        return ("salimans2016improved",)


class History:
    """The mean of a network's weights over the steps so far.

    Arguments:
        network: The network.
    """

    def __init__(self, network: nn.Module) -> None:
        self.weights = list(network.parameters())
        self.means = [weight.detach().clone() for weight in self.weights]
        self.steps = 1

    def distance(self) -> Tensor:
        """Return the squared distance of the weights from their means."""
        return historical_distance(self.weights, self.means)

    @torch.no_grad()
    def update(self) -> None:
        """Take the present weights into the means."""
        self.steps += 1
        torch._foreach_lerp_(self.means, [w.detach() for w in self.weights], 1 / self.steps)

    def state_dict(self) -> dict[str, Any]:
        """Return the means and the number of steps."""
        return {"steps": self.steps, "means": self.means}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.steps = state["steps"]
        for mine, theirs in zip(self.means, state["means"], strict=True):
            mine.copy_(theirs)


class InstanceNoise(Section):
    """Add normal noise, less and less of it, to what the discriminator sees.

    References:
        Amortised MAP Inference for Image Super-resolution (Sønderby et al., 2016), Sec. 3.3,
        https://arxiv.org/abs/1610.04490; Towards Principled Methods for Training Generative
        Adversarial Networks (Arjovsky and Bottou, 2017), Sec. 3, https://arxiv.org/abs/1701.04862

    Attributes:
        scale: Standard deviation at the beginning; what is seen has about 1.
        events: Events shown over which it falls to 0, linearly.
    """

    scale: float = Field(default=0.1, gt=0)
    events: int = Field(default=1_000_000, ge=1)

    @property
    def references(self) -> tuple[str, ...]:
        """Both papers."""
        return ("sonderby2016noise", "arjovsky2017principled")

    def level(self, shown: int) -> float:
        """Return the standard deviation after ``shown`` events."""
        return self.scale * max(0.0, 1 - shown / self.events)


class LabelSmoothing(Section):
    """Ask for less than certainty where events are real, and only there.

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.4,
        https://arxiv.org/abs/1606.03498

    Attributes:
        real: Target of real events.
    """

    real: float = Field(default=0.9, gt=0.5, lt=1)

    @property
    def references(self) -> tuple[str, ...]:
        """Salimans et al."""
        return ("salimans2016improved",)


class Minibatch(Section):
    """Tell the discriminator how alike the events of a batch are.

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.2,
        https://arxiv.org/abs/1606.03498; for the standard deviation, Progressive Growing of GANs
        (Karras et al., 2017), Sec. 3, https://arxiv.org/abs/1710.10196

    Attributes:
        kind: "discrimination" compares every event with every other one in learned directions,
            "spread" takes the mean standard deviation of the features.
        features: Features that minibatch discrimination adds.
    """

    kind: Literal["discrimination", "spread"] = "discrimination"
    features: int = Field(default=16, ge=1)

    @property
    def references(self) -> tuple[str, ...]:
        """The paper of the kind."""
        return (
            ("salimans2016improved",)
            if self.kind == "discrimination"
            else ("karras2017progressive",)
        )


class Packing(Section):
    """Judge m events together, all real or all generated; only the first layer gets wider.

    References:
        PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2017),
        Sec. 2, https://arxiv.org/abs/1712.04086

    Attributes:
        m: Events that are judged together.
    """

    m: int = Field(default=2, ge=2)

    @property
    def references(self) -> tuple[str, ...]:
        """Lin et al."""
        return ("lin2017pacgan",)


class Spectral(Section):
    """Bound the Lipschitz constant by the largest singular value of each layer.

    References:
        Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018),
        https://arxiv.org/abs/1802.05957; for the generator as well, Self-Attention Generative
        Adversarial Networks (Zhang et al., 2018), Sec. 4.1, https://arxiv.org/abs/1805.08318

    Attributes:
        discriminator: Normalise the discriminator.
        generator: Normalise the generator.
        lipschitz: Lipschitz constant K of the discriminator, whose logits are multiplied by it:
            standardised events lie within a few units of each other, where a slope of 1 hardly
            tells narrow structures apart.
    """

    discriminator: bool = True
    generator: bool = False
    lipschitz: float = Field(default=1.0, gt=0)

    @property
    def references(self) -> tuple[str, ...]:
        """The papers of what is normalised."""
        return (
            *(("miyato2018spectral",) if self.discriminator else ()),
            *(("zhang2018sagan",) if self.generator else ()),
        )


# Adam's root has no derivative at 0, where a weight that nothing depends on stays.
_SMALLEST = 1e-30


class Unrolling(Section):
    """Let the generator's loss see the discriminator after k further steps.

    The derivative goes through all of them.

    References:
        Unrolled Generative Adversarial Networks (Metz et al., 2016), Eq. 7 to 11,
        https://arxiv.org/abs/1611.02163

    Attributes:
        steps: Steps k.
    """

    steps: int = Field(default=5, ge=1)

    @property
    def references(self) -> tuple[str, ...]:
        """Metz et al."""
        return ("metz2016unrolled",)


def unroll(
    network: nn.Module,
    optimizer: torch.optim.Adam,
    loss: Callable[[Mapping[str, Tensor]], Tensor],
    steps: int,
) -> dict[str, Tensor]:
    r"""Return a network's weights after some steps of Adam, as functions of all that its loss sees.

    .. math:: \theta^{0} = \theta, \qquad
        \theta^{k+1} = \theta^{k} - \mathrm{Adam}(\nabla_\theta L(\theta^{k}))

    Neither the network nor its optimiser changes. The steps are those that the optimiser would
    take, including its moments, so the derivative with respect to a generator behind the loss is
    exact, with the second derivatives of every step.

    Arguments:
        network: The discriminator.
        optimizer: Its Adam with one group of parameters.
        loss: Its loss as a function of weights by name.
        steps: Steps k.
    """
    (group,) = optimizer.param_groups
    (beta1, beta2), lr, eps = group["betas"], group["lr"], group["eps"]
    names = [name for name, _ in network.named_parameters()]
    states = [optimizer.state.get(weight, {}) for weight in network.parameters()]
    weights = [weight.detach().clone().requires_grad_() for weight in network.parameters()]
    zeros = [torch.zeros_like(weight) for weight in weights]
    first = [s["exp_avg"] if s else zero for s, zero in zip(states, zeros, strict=True)]
    second = [s["exp_avg_sq"] if s else zero for s, zero in zip(states, zeros, strict=True)]
    done = int(states[0]["step"]) if states[0] else 0
    for k in range(done + 1, done + steps + 1):
        value = loss(dict(zip(names, weights, strict=True)))
        gradients = torch.autograd.grad(
            value, weights, create_graph=True, allow_unused=True, materialize_grads=True
        )
        first = [beta1 * m + (1 - beta1) * g for m, g in zip(first, gradients, strict=True)]
        second = [beta2 * v + (1 - beta2) * g * g for v, g in zip(second, gradients, strict=True)]
        size, norm = lr / (1 - beta1**k), (1 - beta2**k) ** 0.5
        weights = [
            w - size * m / (v.clamp_min(_SMALLEST).sqrt() / norm + eps)
            for w, m, v in zip(weights, first, second, strict=True)
        ]
    return dict(zip(names, weights, strict=True))


class Techniques(Section):
    """Techniques in use; each is left out by default.

    Attributes:
        packing: Several events are judged together.
        minibatch: The discriminator is told about the other events of the batch.
        spectral: Spectral normalisation.
        unrolling: The generator looks ahead.
        feature_matching: The generator matches means of features.
        historical_averaging: Weights are drawn to their mean over time.
        label_smoothing: Real events are a little less than certain.
        instance_noise: Noise on what the discriminator sees.
    """

    packing: Packing | None = None
    minibatch: Minibatch | None = None
    spectral: Spectral | None = None
    unrolling: Unrolling | None = None
    feature_matching: FeatureMatching | None = None
    historical_averaging: HistoricalAveraging | None = None
    label_smoothing: LabelSmoothing | None = None
    instance_noise: InstanceNoise | None = None
