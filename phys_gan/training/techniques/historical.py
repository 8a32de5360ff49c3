"""Historical averaging: weights that circle each other are drawn to their mean over time."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from phys_gan.objectives import historical_distance
from phys_gan.training.section import Section

__all__ = ["HistoricalAveraging", "History"]


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
