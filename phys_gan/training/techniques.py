"""Techniques of adversarial training, each with its options and its paper.

A recipe chooses penalties on the discriminator (:class:`Penalties`) in ``[method.penalties]`` and
the other :class:`Techniques` in ``[method.techniques]``. Two time scales, the averaged generator
and the end by a physics metric belong to every schedule
(:class:`~phys_gan.training.schedule.TrainingConfig`); virtual batch normalisation to a network
(:class:`~phys_gan.networks.MlpConfig`).

"Improved Techniques" is Improved Techniques for Training GANs (Salimans et al., 2016),
https://arxiv.org/abs/1606.03498.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from phys_gan.losses import historical_distance, interpolates, one_centred, perturbed, r1, r2

_SMALLEST = 1e-30
"""Smallest second moment of Adam that is unrolled: its root has no derivative at 0."""


class Config(BaseModel):
    """Options of a part of a recipe: frozen, without unknown keys, and knowing their papers.

    Attributes:
        papers: BibTeX keys of what these options always use.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    papers: ClassVar[tuple[str, ...]] = ()

    @property
    def references(self) -> tuple[str, ...]:
        """BibTeX keys of what the chosen options use."""
        return self.papers


# Penalties on the discriminator


class Lazy(Config):
    """A penalty that is taken every few steps only, with its weight multiplied by their number.

    References:
        Analyzing and Improving the Image Quality of StyleGAN (Karras et al., 2019), Sec. 3.1
        (lazy regularisation), https://arxiv.org/abs/1912.04958

    Attributes:
        weight: Weight.
        every: Steps from one to the next.
    """

    weight: float = Field(default=10.0, gt=0)
    every: int = Field(default=1, ge=1)

    @property
    def references(self) -> tuple[str, ...]:
        """BibTeX keys of the penalty, and of lazy regularisation where it is used."""
        return (*self.papers, "karras2019stylegan2") if self.every > 1 else self.papers

    def due(self, step: int) -> bool:
        """Return whether it is taken at this step."""
        return step % self.every == 0


class R1(Lazy):
    """Zero-centred gradient penalty on real events (Mescheder et al., 2018, arXiv:1801.04406)."""

    papers = ("mescheder2018r1",)
    weight: float = Field(default=4.0, gt=0)
    every: int = Field(default=8, ge=1)


class R2(R1):
    """Zero-centred gradient penalty on generated events, of the same paper."""


class Gradient(Lazy):
    """One-centred gradient penalty between real and generated events: WGAN-GP.

    References:
        Improved Training of Wasserstein GANs (Gulrajani et al., 2017), Eq. 3,
        https://arxiv.org/abs/1704.00028
    """

    papers = ("gulrajani2017wgangp",)


class Dragan(Lazy):
    """One-centred gradient penalty around real events.

    References:
        On Convergence and Stability of GANs (Kodali et al., 2017), Sec. 2.5,
        https://arxiv.org/abs/1705.07215

    Attributes:
        spread: How far around, in standard deviations of the real events.
    """

    papers = ("kodali2017dragan",)
    spread: float = Field(default=0.5, gt=0)


class Clipping(Config):
    """Keep the weights of the critic within limits.

    References:
        Wasserstein GAN (Arjovsky et al., 2017), Algorithm 1, https://arxiv.org/abs/1701.07875

    Attributes:
        limit: Largest absolute value.
    """

    papers = ("arjovsky2017wgan",)
    limit: float = Field(default=0.01, gt=0)


class Penalties(Config):
    """Penalties on the discriminator, taken on its preprocessed input; any number of them.

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

    def terms(
        self,
        step: int,
        logits: Callable[[Tensor], Tensor],
        real: tuple[Tensor, Tensor],
        fake: tuple[Tensor, Tensor],
        random: torch.Generator,
    ) -> Iterator[tuple[str, float, Tensor]]:
        """Yield name, weight and value of each gradient penalty of this step.

        Arguments:
            step: Number of the step.
            logits: The discriminator: logits (N,) of preprocessed events (N, F).
            real: Preprocessed real events (N, F) and their logits; they require gradients where
                R1 is due.
            fake: The same of generated events and R2.
            random: Random stream.
        """
        if self.r1 and self.r1.due(step):
            yield "r1", self.r1.weight * self.r1.every, r1(*real)
        if self.r2 and self.r2.due(step):
            yield "r2", self.r2.weight * self.r2.every, r2(*fake)
        if self.gradient and self.gradient.due(step):
            between = interpolates(real[0].detach(), fake[0].detach(), random).requires_grad_()
            weight = self.gradient.weight * self.gradient.every
            yield "gradient_penalty", weight, one_centred(between, logits(between))
        if self.dragan and self.dragan.due(step):
            around = perturbed(real[0].detach(), random, self.dragan.spread).requires_grad_()
            weight = self.dragan.weight * self.dragan.every
            yield "dragan", weight, one_centred(around, logits(around))


# Techniques on what the discriminator sees


class Packing(Config):
    """Show the discriminator m events at once, all real or all generated.

    Only its first layer gets wider.

    References:
        PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2017),
        Sec. 2, https://arxiv.org/abs/1712.04086

    Attributes:
        m: Events per pack.
    """

    papers = ("lin2017pacgan",)
    m: int = Field(default=2, ge=2)


class Minibatch(Config):
    """Give the discriminator features of how similar the events of a batch are.

    References:
        Improved Techniques, Sec. 3.2; for the standard deviation, Progressive Growing of GANs
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
        """BibTeX key of the paper of the kind."""
        spread = self.kind == "spread"
        return ("karras2017progressive",) if spread else ("salimans2016improved",)


class InstanceNoise(Config):
    """Add normal noise, which decreases, to the input of the discriminator.

    Distributions that are narrow then overlap.

    References:
        Amortised MAP Inference for Image Super-resolution (Sønderby et al., 2016), Sec. 3.3,
        https://arxiv.org/abs/1610.04490; Towards Principled Methods for Training Generative
        Adversarial Networks (Arjovsky and Bottou, 2017), Sec. 3, https://arxiv.org/abs/1701.04862

    Attributes:
        scale: Standard deviation at the beginning; that of the input is about 1.
        events: Events shown over which it falls to 0, linearly.
    """

    papers = ("sonderby2016noise", "arjovsky2017principled")
    scale: float = Field(default=0.1, gt=0)
    events: int = Field(default=1_000_000, ge=1)

    def level(self, shown: int) -> float:
        """Return the standard deviation after ``shown`` events."""
        return self.scale * max(0.0, 1 - shown / self.events)


# Techniques on losses and weights


class LabelSmoothing(Config):
    """Lower the target of real events, and only theirs (Improved Techniques, Sec. 3.4).

    Attributes:
        real: Target of real events.
    """

    papers = ("salimans2016improved",)
    real: float = Field(default=0.9, gt=0.5, lt=1)


class FeatureMatching(Config):
    """Match the means of the discriminator's features over real and generated events.

    The goal of the generator then does not depend on how confident the discriminator is
    (Improved Techniques, Sec. 3.1).

    Attributes:
        weight: Weight in the generator's loss.
        replace: Whether it replaces the generator's adversarial loss, as published, or is added.
    """

    papers = ("salimans2016improved",)
    weight: float = Field(default=1.0, gt=0)
    replace: bool = True


class Spectral(Config):
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
            resolves narrow structures.
    """

    discriminator: bool = True
    generator: bool = False
    lipschitz: float = Field(default=1.0, gt=0)

    @property
    def references(self) -> tuple[str, ...]:
        """BibTeX keys of the papers of what is normalised."""
        return (
            *(("miyato2018spectral",) if self.discriminator else ()),
            *(("zhang2018sagan",) if self.generator else ()),
        )


class HistoricalAveraging(Config):
    """Add the squared distance of all weights from their mean over the steps so far.

    It damps weights that circle each other (Improved Techniques, Sec. 3.3); see :class:`History`.

    Attributes:
        weight: Weight in both losses.
    """

    papers = ("salimans2016improved",)
    weight: float = Field(default=1e-3, gt=0)


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
        """Include the present weights in the means."""
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


class Unrolling(Config):
    """Let the generator's loss see the discriminator after k further steps; see :func:`unroll`.

    References:
        Unrolled Generative Adversarial Networks (Metz et al., 2016), Eq. 7 to 11,
        https://arxiv.org/abs/1611.02163

    Attributes:
        steps: Steps k.
    """

    papers = ("metz2016unrolled",)
    steps: int = Field(default=5, ge=1)


def unroll(
    network: nn.Module,
    optimizer: torch.optim.Adam,
    loss: Callable[[Mapping[str, Tensor]], Tensor],
    steps: int,
) -> dict[str, Tensor]:
    r"""Return a network's weights after some steps of Adam, differentiable through all of them.

    .. math:: \theta^{0} = \theta, \qquad
        \theta^{k+1} = \theta^{k} - \mathrm{Adam}(\nabla_\theta L(\theta^{k}))

    Neither the network nor its optimiser changes. The steps are those that the optimiser would
    take, including its moments, so the derivative with respect to a generator inside the loss is
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


class Techniques(Config):
    """Techniques in use; each is left out by default."""

    packing: Packing | None = None
    minibatch: Minibatch | None = None
    spectral: Spectral | None = None
    unrolling: Unrolling | None = None
    feature_matching: FeatureMatching | None = None
    historical_averaging: HistoricalAveraging | None = None
    label_smoothing: LabelSmoothing | None = None
    instance_noise: InstanceNoise | None = None
