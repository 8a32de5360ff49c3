"""Means of the scalars of the steps since the last report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["Means"]


class Means:
    """Running means of named scalars, not all of which come at every step.

    Running ones: a scalar that is kept from every step pins the memory around it, up to a
    gigabyte in a thousand steps.
    """

    def __init__(self) -> None:
        self._means: dict[str, Tensor] = {}
        self._counts: Counter[str] = Counter()

    def add(self, scalars: Mapping[str, Tensor]) -> None:
        """Take in the scalars of a step."""
        for name, value in scalars.items():
            self._counts[name] += 1
            if self._counts[name] == 1:
                self._means[name] = value.clone()
            else:
                mean = self._means[name]
                mean += (value - mean) / self._counts[name]

    def take(self) -> dict[str, float]:
        """Return the means, and begin anew."""
        means = {name: float(mean) for name, mean in self._means.items()}
        self._means, self._counts = {}, Counter()
        return means

    def state_dict(self) -> dict[str, Any]:
        """Return the means so far."""
        return {"means": dict(self._means), "counts": dict(self._counts)}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self._means = {name: mean.to(device) for name, mean in state["means"].items()}
        self._counts = Counter(state["counts"])
