"""What every network pair has in common: what the trainer and the generator rely on."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

__all__ = ["Discriminator", "Generator", "NetworkConfig"]


class NetworkConfig(BaseModel):
    """The options of an architecture; ``kind`` names it in a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Generator(nn.Module, ABC):
    """Map latents and conditions to encoded events.

    Attributes:
        latent: Standard normal numbers that one event needs.
    """

    latent: int

    @abstractmethod
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map z (N, latent) and c (N, n_conditions) to raw events (N, n_globals + n_cells)."""

    def adapt(self, x: Tensor) -> None:
        """Set data-dependent scales from encoded real events (N, n_globals + n_cells)."""
        return


class Discriminator(nn.Module, ABC):
    """Map encoded events and conditions to one logit: large means real.

    It looks first and judges what it saw: gradient penalties apply to the judgement, so that
    sharp features (is this cell hit?) may be seen without being penalised for their sharpness.
    """

    def look(self, x: Tensor) -> Tensor:
        """Return what is seen of encoded events x (N, n_globals + n_cells), shape (N, F)."""
        return x

    @abstractmethod
    def judge(self, seen: Tensor, c: Tensor) -> Tensor:
        """Map what is seen (N, F) and c (N, n_conditions) to logits (N,)."""

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Map x (N, n_globals + n_cells) and c (N, n_conditions) to logits (N,)."""
        return self.judge(self.look(x), c)

    def adapt(self, x: Tensor) -> None:
        """Set data-dependent scales from encoded real events (N, n_globals + n_cells)."""
        return
