"""What every network pair has in common: what the trainer and the generator rely on."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from phys_gan.networks.head import Assessment, Head, HeadConfig

__all__ = ["DEEPEST", "WIDEST", "Discriminator", "Generator", "NetworkConfig"]

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

    def look(self, x: Tensor) -> Tensor:
        """Return what is seen of encoded events x (N, n_numbers), shape (N, F)."""
        return x

    def packed(self, rows: Tensor) -> Tensor:
        """Put ``pack`` events side by side: (N, F) to (N // pack, pack * F)."""
        if self.pack == 1:
            return rows
        whole = len(rows) // self.pack
        return rows[: whole * self.pack].reshape(whole, -1)

    def told(self, seen: Tensor, c: Tensor) -> Tensor:
        """Return what the body sees (N, F), with conditions c behind it where those enter there."""
        return torch.cat([seen, c], dim=1) if self.n_concatenated else seen

    @abstractmethod
    def features(self, seen: Tensor, c: Tensor) -> Tensor:
        """Map what is seen (N, pack * F) and conditions (N, pack * C) to features.

        The body takes the conditions at its input only as :meth:`told` says.
        """

    def forward(self, seen: Tensor, c: Tensor) -> Assessment:
        """Judge packed events as they are seen (N, pack * F) and conditions (N, pack * C)."""
        assessment: Assessment = self.head(self.features(seen, c), c)
        return assessment

    def judge(self, x: Tensor, c: Tensor) -> Tensor:
        """Map encoded events x (N, n_numbers) and c (N, C) to logits (N // pack,)."""
        assessment: Assessment = self(self.packed(self.look(x)), self.packed(c))
        return assessment.logits

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Set data-dependent scales from encoded real events (N, n_numbers) and conditions."""
        return
