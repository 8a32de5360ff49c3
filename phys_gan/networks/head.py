"""The last part of every discriminator: from features and conditions to a judgement."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from phys_gan.errors import ConfigError
from phys_gan.networks.blocks import MinibatchDiscrimination, minibatch_spread

__all__ = ["Assessment", "Conditioning", "Head", "HeadConfig"]

Conditioning = Literal["concatenation", "projection", "auxiliary"]


class Assessment(NamedTuple):
    """What a discriminator finds.

    Attributes:
        logits: Large means real, (N,).
        features: What the judgement rests on, (N, n_features).
        conditions: The conditions as it reads them from the events, (N, n_conditions); without
            columns where it has no such auxiliary output.
    """

    logits: Tensor
    features: Tensor
    conditions: Tensor


class HeadConfig(BaseModel):
    """How features become a judgement.

    Attributes:
        conditioning: How conditions enter: at the input ("concatenation", Mirza and Osindero,
            arXiv:1411.1784), as an inner product with the features ("projection", Miyato and
            Koyama, arXiv:1802.05637, Eq. 3), or as an output that is compared with them
            ("auxiliary", Odena et al., arXiv:1610.09585, Sec. 3).
        minibatch: What is told about the other events of the batch: nothing, minibatch
            discrimination (arXiv:1606.03498, Sec. 3.2) or the standard deviation
            (arXiv:1710.10196, Sec. 3).
        n_minibatch: Features of minibatch discrimination.
        pack: Events that are judged together (PacGAN, arXiv:1712.04086).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    conditioning: tuple[Conditioning, ...] = ("concatenation", "projection")
    minibatch: Literal["none", "discrimination", "spread"] = "none"
    n_minibatch: int = Field(default=16, ge=1, le=10_000)
    pack: int = Field(default=1, ge=1, le=1_000)


class Head(nn.Module):
    """Judge features under conditions.

    Arguments:
        n_features: Features H.
        n_conditions: Conditions C of all events that are judged together.
        config: Options.

    Attributes:
        gain: Factor on the logits.

    Raises:
        ConfigError: Conditions are to be read from events, but there are none.
    """

    def __init__(self, n_features: int, n_conditions: int, config: HeadConfig) -> None:
        super().__init__()
        if "auxiliary" in config.conditioning and not n_conditions:
            raise ConfigError(
                "there are no conditions that an auxiliary head could read from the events",
                remedy="leave 'auxiliary' out of method.conditioning",
            )
        self.minibatch, self.gain = config.minibatch, 1.0
        self.variety = None
        n_variety = {"none": 0, "spread": 1, "discrimination": config.n_minibatch}[config.minibatch]
        if config.minibatch == "discrimination":
            self.variety = MinibatchDiscrimination(n_features, n_variety, n_kernel=4)
        self.logit = nn.Linear(n_features + n_variety, 1)
        self.projection = self.regression = None
        if "projection" in config.conditioning and n_conditions:
            self.projection = nn.Linear(n_conditions, n_features, bias=False)
        if "auxiliary" in config.conditioning:
            self.regression = nn.Linear(n_features, n_conditions)

    def forward(self, h: Tensor, c: Tensor) -> Assessment:
        """Judge features h (N, H) under conditions c (N, C)."""
        told = h
        if self.variety is not None:
            told = torch.cat([h, self.variety(h)], dim=1)
        elif self.minibatch == "spread":
            told = torch.cat([h, minibatch_spread(h)], dim=1)
        logits: Tensor = self.logit(told).squeeze(1)
        if self.projection is not None:
            logits = logits + (self.projection(c) * h).mean(1)
        logits = self.gain * logits
        read = h[:, :0] if self.regression is None else self.regression(h)
        return Assessment(logits, h, read)
