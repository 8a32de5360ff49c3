""":class:`TrainingConfig`: the schedule of a training, its optimiser, and what is kept."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from phys_gan.model import Precision
from phys_gan.training.techniques import Config


class TrainingConfig(Config):
    """The schedule; progress counts events shown to the networks, not epochs.

    Attributes:
        events: Events to show.
        batch_size: Events per step and device.
        lr_g: Learning rate of the generator (Adam).
        lr_d: Learning rate of the discriminator: a second time scale (TTUR, arXiv:1706.08500).
        beta1: First-moment decay of Adam.
        beta2: Second-moment decay of Adam.
        clip_norm: Largest norm of the gradient of a network, to which larger ones are scaled down
            (arXiv:1211.5063, Sec. 3.2); 0 for no limit.
        decay: "cosine" lowers the learning rates to a hundredth over the second half, "none"
            keeps them.
        ema_half_life: Half-life of the averaged generator, in events shown; 0 keeps the latest
            weights instead.
        accumulate: Batches whose gradients are averaged for one step of an optimiser, if memory
            is too small for a larger batch.
        precision: Of the networks' matrix products: "float32", or "bfloat16" if the processor is
            faster with it; weights stay float32.
        held_out: Fraction of the events that is never shown and chooses the best checkpoint.
        augment: Whether to apply the detector's symmetries to the events shown.
        report_every: Events between two reports and checkpoints.
        patience: End when the physics metric has not improved for so many events; 0 for never.
        max_minutes: End after this time, with the schedule fitted to it; 0 for no limit.
        keep_checkpoints: Checkpoints that are kept, in case the last one is damaged.
        seed: Seed of everything random.
    """

    events: int = Field(default=2_000_000, ge=1)
    batch_size: int = Field(default=256, ge=2)
    lr_g: float = Field(default=2e-4, gt=0)
    lr_d: float = Field(default=4e-4, gt=0)
    beta1: float = Field(default=0.0, ge=0, lt=1)
    beta2: float = Field(default=0.99, ge=0, lt=1)
    clip_norm: float = Field(default=0.0, ge=0)
    decay: Literal["cosine", "none"] = "cosine"
    ema_half_life: float = Field(default=50_000, ge=0)
    accumulate: int = Field(default=1, ge=1)
    precision: Precision = "float32"
    held_out: float = Field(default=0.1, gt=0, lt=1)
    augment: bool = True
    report_every: int = Field(default=50_000, ge=1)
    patience: int = Field(default=0, ge=0)
    max_minutes: float = Field(default=0.0, ge=0)
    keep_checkpoints: int = Field(default=2, ge=1)
    seed: int = Field(default=0, ge=0)

    @property
    def references(self) -> tuple[str, ...]:
        """BibTeX keys of Adam, and of two time scales and the averaged generator if used."""
        ttur = ("heusel2017ttur",) if self.lr_g != self.lr_d else ()
        average = ("yazici2018average", "karras2020ada") if self.ema_half_life else ()
        return ("kingma2014adam", *ttur, *average)

    def progress(self, shown: int, seconds: float) -> float:
        """Return the fraction of the schedule that is done, in events or in time."""
        done = shown / self.events
        return max(done, seconds / (60 * self.max_minutes)) if self.max_minutes else done

    def rate(self, progress: float) -> float:
        """Return the factor on the learning rates at this fraction of the schedule."""
        if self.decay == "none" or progress < 0.5:
            return 1.0
        return 0.01 + 0.99 * (1 + math.cos(math.pi * (2 * progress - 1))) / 2
