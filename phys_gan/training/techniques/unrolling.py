"""Unrolled GAN: the generator sees how the discriminator will answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from phys_gan.training.section import Section

__all__ = ["Unrolling", "unroll"]

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
