"""What generators and discriminators have in common, whatever their architecture.

Generators map latents z and conditions c to encoded events; discriminators map encoded events and
conditions to logits. All begin in the same state for the same seed: layers draw their weights in
the order in which they are made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError
from phys_gan.networks.blocks import MinibatchDiscrimination, minibatch_spread

Conditioning = Literal["concatenation", "projection", "auxiliary"]
# More is a slip of the pen, or meant to fill the memory.
Width = Annotated[int, Field(ge=1, le=65_536)]
Depth = Annotated[int, Field(ge=1, le=1_000)]


class NetworkConfig(BaseModel):
    """The options of an architecture; ``kind`` names it in a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str

    @property
    def references(self) -> tuple[str, ...]:
        """BibTeX keys of what the chosen options use."""
        return ()


class _Encoding(Protocol):
    detector: Detector
    n_globals: int

    @property
    def n_conditions(self) -> int: ...


@dataclass(frozen=True)
class Sizes:
    """How many numbers an encoded event and its conditions have.

    An encoded event is one row: numbers about the whole event, such as the response and the layer
    fractions of a shower, then one number per cell.

    Attributes:
        n_globals: Numbers about the whole event.
        n_cells: Cells.
        n_conditions: Numbers that encode the conditions of an event.
    """

    n_globals: int
    n_cells: int
    n_conditions: int

    @property
    def n_numbers(self) -> int:
        """Numbers of an encoded event."""
        return self.n_globals + self.n_cells

    @classmethod
    def of(cls, encoding: _Encoding) -> Sizes:
        """Return the sizes of an :class:`~phys_gan.encodings.Encoding`."""
        return cls(encoding.n_globals, encoding.detector.n_cells, encoding.n_conditions)


class _Network(nn.Module, ABC):
    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Set data-dependent scales from encoded real events (N, n_numbers) and conditions."""
        return

    def grow(self, shown: int) -> None:
        """Take the form for this number of events shown; most networks have only one."""
        return


class Generator(_Network):
    """Map latents and conditions to encoded events.

    Attributes:
        latent: Standard normal numbers per event.
        source: Numbers of the encoded event that is translated, which precede the latents; 0 where
            events come from latents alone.
    """

    latent: int
    source: int = 0

    @abstractmethod
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map z (N, source + latent) and c (N, n_conditions) to raw events (N, n_numbers)."""


class DiscriminatorOutput(NamedTuple):
    """The output of a discriminator for N events, or for N packs of them.

    Attributes:
        logits: Large for real events, (N,).
        features: The last hidden layer, (N, n_features).
        conditions: The conditions predicted from the events, (N, n_conditions); without columns
            where there is no auxiliary output.
    """

    logits: Tensor
    features: Tensor
    conditions: Tensor


class HeadConfig(BaseModel):
    """Options of the last layers of a discriminator.

    Attributes:
        conditioning: How conditions enter: at the input ("concatenation", Mirza and Osindero,
            arXiv:1411.1784), as an inner product with the features ("projection", Miyato and
            Koyama, arXiv:1802.05637, Eq. 3), or as an output that is compared with them
            ("auxiliary", Odena et al., arXiv:1610.09585, Sec. 3).
        minibatch: Features of the other events of the batch: none, minibatch discrimination
            (arXiv:1606.03498, Sec. 3.2) or the standard deviation (arXiv:1710.10196, Sec. 3).
        n_minibatch: Features of minibatch discrimination.
        pack: Events that share one logit (PacGAN, arXiv:1712.04086).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    conditioning: tuple[Conditioning, ...] = ("concatenation", "projection")
    minibatch: Literal["none", "discrimination", "spread"] = "none"
    n_minibatch: int = Field(default=16, ge=1, le=10_000)
    pack: int = Field(default=1, ge=1, le=1_000)


class _Head(nn.Module):
    """Map features (N, n_features) and conditions (N, n_conditions) to the output.

    ``gain`` is a factor on the logits.
    """

    def __init__(self, n_features: int, n_conditions: int, config: HeadConfig) -> None:
        super().__init__()
        if "auxiliary" in config.conditioning and not n_conditions:
            raise ConfigError(
                "there are no conditions that an auxiliary head could predict",
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
        features = h
        if self.variety is not None:
            features = torch.cat([h, self.variety(h)], dim=1)
        elif self.minibatch == "spread":
            features = torch.cat([h, minibatch_spread(h)], dim=1)
        logits: Tensor = self.logit(features).squeeze(1)
        if self.projection is not None:
            logits = logits + (self.projection(c) * h).mean(1)
        predicted = h[:, :0] if self.regression is None else self.regression(h)
        return DiscriminatorOutput(self.gain * logits, h, predicted)


class Discriminator(_Network):
    """Map encoded events and conditions to logits, large for real events.

    Three steps: :meth:`preprocess`, which has no weights, :meth:`packed`, and the network proper.
    Gradient penalties apply to the last one, so that sharp features (is this cell hit?) may enter
    without being penalised for their sharpness.

    Arguments:
        n_features: Features that the body returns.
        n_conditions: Numbers that encode the conditions of an event.
        head: Options of the last layers.

    Raises:
        ConfigError: The head is to predict conditions, but there are none.
    """

    def __init__(self, n_features: int, n_conditions: int, head: HeadConfig) -> None:
        super().__init__()
        self.pack = head.pack
        self.n_concatenated = n_conditions * ("concatenation" in head.conditioning)
        self.head = _Head(n_features, n_conditions * head.pack, head)

    def preprocess(self, x: Tensor) -> Tensor:
        """Map encoded events (N, n_numbers) to the inputs of the network (N, F)."""
        return x

    def packed(self, rows: Tensor) -> Tensor:
        """Put ``pack`` events side by side: (N, F) to (N // pack, pack * F)."""
        if self.pack == 1:
            return rows
        whole = len(rows) // self.pack
        return rows[: whole * self.pack].reshape(whole, -1)

    def with_conditions(self, x: Tensor, c: Tensor) -> Tensor:
        """Append conditions to inputs (N, pack * F) if the head has them concatenated."""
        return torch.cat([x, c], dim=1) if self.n_concatenated else x

    @abstractmethod
    def features(self, x: Tensor, c: Tensor) -> Tensor:
        """Map inputs (N, pack * F) and conditions (N, pack * C) to features (N, n_features).

        Conditions enter only by :meth:`with_conditions`.
        """

    def forward(self, x: Tensor, c: Tensor) -> DiscriminatorOutput:
        """Map packed inputs (N, pack * F) and conditions (N, pack * C) to the output."""
        output: DiscriminatorOutput = self.head(self.features(x, c), c)
        return output

    def logits(self, x: Tensor, c: Tensor) -> Tensor:
        """Map encoded events x (N, n_numbers) and c (N, n_conditions) to logits (N // pack,)."""
        output: DiscriminatorOutput = self(self.packed(self.preprocess(x)), self.packed(c))
        return output.logits
