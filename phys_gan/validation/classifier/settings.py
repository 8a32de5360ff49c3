"""How a classifier is built and trained: a frozen record, and the named ones."""

from __future__ import annotations

from dataclasses import dataclass

from phys_gan.errors import ConfigError

__all__ = ["CHALLENGE", "MIN_EVENTS", "PRESETS", "QUICK", "Settings"]

MIN_EVENTS = 200
"""With fewer events nothing is left to learn from or to judge with."""


@dataclass(frozen=True)
class Settings:
    """Hold the size and the training of a classifier; the default is that of CaloChallenge.

    Attributes:
        layers: Hidden layers behind the first one, which also has ``width`` nodes.
        width: Nodes of a hidden layer.
        dropout: Probability that a node is left out in training.
        whiten: Whether inputs are also decorrelated, not only standardised; see
            :func:`phys_gan.validation.classifier.scaling.fit_scaling`. What a network can express
            is the same; what it finds in a few epochs is not.
        lr: Learning rate of Adam.
        batch: Events of both samples in a batch.
        epochs: Passes over the training events; the best one on the validation events is kept.
        patience: Epochs without a better one after which training ends early; never when None.
        seeds: Trainings from different weights, each with other events for the test.
        max_events: Most events that are taken of either sample; all when None.

    Raises:
        ConfigError: A value lies outside its range.
    """

    layers: int = 2
    width: int = 2048
    dropout: float = 0.0
    whiten: bool = False
    lr: float = 2e-4
    batch: int = 1000
    epochs: int = 50
    patience: int | None = None
    seeds: int = 3
    max_events: int | None = None

    def __post_init__(self) -> None:
        least = {"layers": 0, "width": 1, "batch": 2, "epochs": 1, "patience": 1, "seeds": 1}
        for name, lowest in least.items():
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise _refused(name, value, f">= {lowest}")
        if not 0 <= self.dropout < 1:
            raise _refused("dropout", self.dropout, "from 0 to below 1")
        if not self.lr > 0:
            raise _refused("lr", self.lr, "> 0")


CHALLENGE = Settings()
"""The network and the training of CaloChallenge (https://arxiv.org/abs/2410.21611); for a GPU."""

QUICK = Settings(
    layers=1,
    width=64,
    whiten=True,
    lr=1e-3,
    batch=250,
    patience=10,
    max_events=20_000,
)
"""A small network on decorrelated inputs: seconds on one core."""

PRESETS = {"challenge": CHALLENGE, "quick": QUICK}
"""Settings by name."""


def _refused(name: str, value: float, constraint: str) -> ConfigError:
    return ConfigError(
        f"{name} = {value} of the classifier is not {constraint}",
        remedy="choose another value",
        value=value,
        constraint=constraint,
    )
