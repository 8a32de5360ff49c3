"""What every network pair has in common: what the trainer and the generator rely on.

The last part of every discriminator: from features and conditions to a judgement.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from phys_gan.errors import ConfigError
from phys_gan.networks.blocks import MinibatchDiscrimination, minibatch_spread

__all__ = [
    "DEEPEST",
    "WIDEST",
    "Conditioning",
    "Discriminator",
    "DiscriminatorOutput",
    "Generator",
    "Head",
    "HeadConfig",
    "NetworkConfig",
]

Conditioning = Literal["concatenation", "projection", "auxiliary"]


class DiscriminatorOutput(NamedTuple):
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

    def forward(self, h: Tensor, c: Tensor) -> DiscriminatorOutput:
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
        return DiscriminatorOutput(logits, h, read)


DEEPEST = 1_000
"""Layers of a network: more is a slip of the pen, or meant to fill the memory."""
WIDEST = 65_536
"""Numbers that go through a layer."""


class NetworkConfig(BaseModel):
    """The options of an architecture; ``kind`` names it in a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str

    @property
    def references(self) -> tuple[str, ...]:
        """BibTeX keys of what the chosen options use."""
        return ()


class Generator(nn.Module, ABC):
    """Map latents and conditions to encoded events.

    Attributes:
        latent: Standard normal numbers that one event needs.
        source: Numbers of an encoded event that it translates, which stand in front of the
            latents; 0 where events come from latents alone.
    """

    latent: int
    source: int = 0

    @abstractmethod
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map z (N, source + latent) and c (N, n_conditions) to raw events (N, n_numbers)."""

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Set data-dependent scales from encoded real events (N, n_numbers) and conditions."""
        return

    def grow(self, shown: int) -> None:
        """Take the form that belongs to so many events shown; most networks have one form."""
        return


class Discriminator(nn.Module, ABC):
    """Judge encoded events under conditions: a large logit means real.

    It looks first, without weights, and judges what it saw: gradient penalties apply to the
    judgement, so that sharp features (is this cell hit?) may be seen without being penalised for
    their sharpness. Between the two, ``packed`` puts several events into one row.

    Arguments:
        n_features: Features that the body finds.
        n_conditions: Numbers per event that tell the conditions.
        head: How features become a judgement.
    """

    def __init__(self, n_features: int, n_conditions: int, head: HeadConfig) -> None:
        super().__init__()
        self.pack = head.pack
        self.n_concatenated = n_conditions * ("concatenation" in head.conditioning)
        self.head = Head(n_features, n_conditions * head.pack, head)

    def grow(self, shown: int) -> None:
        """Take the form that belongs to so many events shown; most networks have one form."""
        return

    def preprocess(self, x: Tensor) -> Tensor:
        """Return what is seen of encoded events x (N, n_numbers), shape (N, F)."""
        return x

    def packed(self, rows: Tensor) -> Tensor:
        """Put ``pack`` events side by side: (N, F) to (N // pack, pack * F)."""
        if self.pack == 1:
            return rows
        whole = len(rows) // self.pack
        return rows[: whole * self.pack].reshape(whole, -1)

    def with_conditions(self, seen: Tensor, c: Tensor) -> Tensor:
        """Return what the body sees (N, F), with conditions c behind it where those enter there."""
        return torch.cat([seen, c], dim=1) if self.n_concatenated else seen

    @abstractmethod
    def features(self, seen: Tensor, c: Tensor) -> Tensor:
        """Map what is seen (N, pack * F) and conditions (N, pack * C) to features.

        The body takes the conditions at its input only as :meth:`with_conditions` says.
        """

    def forward(self, seen: Tensor, c: Tensor) -> DiscriminatorOutput:
        """Judge packed events as they are seen (N, pack * F) and conditions (N, pack * C)."""
        assessment: DiscriminatorOutput = self.head(self.features(seen, c), c)
        return assessment

    def logits(self, x: Tensor, c: Tensor) -> Tensor:
        """Map encoded events x (N, n_numbers) and c (N, C) to logits (N // pack,)."""
        assessment: DiscriminatorOutput = self(self.packed(self.preprocess(x)), self.packed(c))
        return assessment.logits

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Set data-dependent scales from encoded real events (N, n_numbers) and conditions."""
        return
