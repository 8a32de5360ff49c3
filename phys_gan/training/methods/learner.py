"""A network with its optimiser: what every method improves."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from phys_gan.training.processes import average_gradients, share
from phys_gan.training.schedule import TrainingConfig
from phys_gan.training.techniques.historical import History

__all__ = ["Learner"]


class Learner:
    """Improve a network with Adam, on whatever device it runs.

    Arguments:
        network: The network.
        lr: Its learning rate.
        schedule: The schedule, for Adam's decays and the clipping of gradients.
        fabric: Where it runs.
        historical: Weight of historical averaging; 0 for none.

    Attributes:
        network: What to call in training.
        plain: The same network without what distributes it over devices.
        optimizer: Adam.
    """

    def __init__(
        self,
        network: nn.Module,
        lr: float,
        schedule: TrainingConfig,
        fabric: Fabric,
        historical: float = 0.0,
    ) -> None:
        self.plain, self.lr, self.fabric, self.historical = network, lr, fabric, historical
        self.clip_norm, self.accumulate, self._pending = schedule.clip_norm, schedule.accumulate, 0
        adam = torch.optim.Adam(network.parameters(), lr, (schedule.beta1, schedule.beta2))
        self.network, self.optimizer = fabric.setup(network, adam)
        self.adam = adam
        share(fabric, network)
        self.history = History(network) if historical else None

    def update(self, loss: Tensor, rate: float) -> Tensor:
        """Take one step down a loss, and return the norm of its gradient.

        The gradient is the mean over all processes, and over as many calls as are accumulated;
        only the last of these takes a step. The norm of the others is that of the sum so far.

        Arguments:
            loss: The loss.
            rate: Factor on the learning rate.
        """
        if self.history is not None:
            loss = loss + self.historical * self.history.distance()
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * rate
        if not self._pending:
            self.optimizer.zero_grad()
        self.fabric.backward(loss if self.accumulate == 1 else loss / self.accumulate)
        self._pending = (self._pending + 1) % self.accumulate
        gradients = [p.grad for p in self.plain.parameters() if p.grad is not None]
        if self._pending:
            return torch.nn.utils.get_total_norm(gradients)
        average_gradients(self.fabric, gradients)
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.clip_norm:
            torch.nn.utils.clip_grads_with_norm_(self.plain.parameters(), self.clip_norm, norm)
        self.optimizer.step()
        if self.history is not None:
            self.history.update()
        return norm

    def state_dict(self) -> dict[str, Any]:
        """Return weights, moments and history."""
        state = {"network": self.plain.state_dict(), "optimizer": self.optimizer.state_dict()}
        if self.history is not None:
            state["history"] = self.history.state_dict()
        if self._pending:
            state |= {"pending": self._pending, "gradients": self._gradients()}
        return state

    def _gradients(self) -> dict[str, Tensor]:
        """Return copies of the gradients that wait for more, averaged over all processes."""
        named = self.plain.named_parameters()
        copies = {name: p.grad.clone() for name, p in named if p.grad is not None}
        average_gradients(self.fabric, copies.values())
        return copies

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.plain.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._pending = state.get("pending", 0)
        parameters = dict(self.plain.named_parameters())
        for name, gradient in state.get("gradients", {}).items():
            parameters[name].grad = gradient.to(parameters[name].device)
        if self.history is not None:
            self.history.load_state_dict(state["history"])
