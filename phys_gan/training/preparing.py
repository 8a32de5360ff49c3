"""What a training needs before its first step: encoding, batches, random streams, networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric, seed_everything
from numpy.typing import NDArray
from torch import Tensor

from phys_gan.encodings import Encoding, build_encoding
from phys_gan.errors import DataError
from phys_gan.events import Events, require_drawable
from phys_gan.randomness import draw_by_weight, stream
from phys_gan.training.batches import Batches, Flow, ResidentBatches, StreamedBatches
from phys_gan.training.methods import Method, Setup, Sources, build_method
from phys_gan.training.recipe import Recipe

__all__ = ["Prepared", "counting", "prepare", "require_batches"]

_APART = 1_000_003
"""Between the seeds of processes, so that none meets another's stream."""

_SAMPLE = 20_000
"""Events from which networks take their scales, where they have to be drawn by their weights."""


@dataclass(frozen=True)
class Prepared:
    """What a training is made of.

    Attributes:
        encoding: The fitted encoding, on the device.
        x: Encoded events (N, n_numbers) that all count the same, from which scales are taken.
        c: Their encoded conditions (N, n_conditions).
        batches: What is shown.
        method: What a step does.
    """

    encoding: Encoding
    x: Tensor
    c: Tensor
    batches: Batches
    method: Method


def counting(events: Events, what: str) -> Events:
    """Return the events that can be drawn by their weights, which are those whose weight is not 0.

    Arguments:
        events: The events, with weights or without.
        what: What they are called.

    Raises:
        DataError: A weight is negative, or all are 0.
    """
    if events.weights is None:
        return events
    require_drawable(events.weights, what)
    return events if events.weights.all() else events[events.weights > 0]


def require_batches(size: int, samples: Sequence[Events]) -> None:
    """Refuse samples that are smaller than a batch.

    Raises:
        DataError: One is.
    """
    for sample in samples:
        if len(sample) < size:
            raise DataError(
                f"there are {len(sample)} events to learn from, fewer than one batch of {size}",
                remedy="give more events or lower training.batch_size",
                value=len(sample),
            )


def prepare(
    recipe: Recipe,
    fabric: Fabric,
    events: Events,
    held_out: Events,
    source: Sequence[Events],
    flow: Flow | None,
) -> Prepared:
    """Fit the encoding, lay out the batches, and build the networks.

    Arguments are those of :func:`phys_gan.training.loop.train`.
    """
    config = recipe.training
    seed_everything(config.seed, verbose=False)
    encoding = build_encoding(recipe.encoding, events.detector)
    encoding.fit(_joined([events, *source[:1]], encoding.named), config.seed)
    for sample in (held_out, *source[1:]):
        encoding.widen(sample)
    encoding.to(fabric.device)
    x, c = encoding.encode(events)
    group = torch.from_numpy(events.detector.symmetry_group()[: None if config.augment else 1])
    ranks = (fabric.global_rank, fabric.world_size)
    batches: Batches
    if flow is None:
        batches = ResidentBatches(
            x, c, encoding.n_globals, group, config.seed, *ranks, events.weights
        )
    else:
        batches = StreamedBatches(flow, encoding, group, config.seed, *ranks)
    sources = None
    if source:
        encoded = encoding.encode(source[0])
        others = ResidentBatches(
            *encoded, encoding.n_globals, group, config.seed + 1, *ranks, source[0].weights
        )
        sources = Sources(others, source[1])
    if events.weights is not None:
        # What scales are taken from must not need the weights any more.
        n = min(len(events), _SAMPLE)
        drawn = draw_by_weight(events.weights, n, stream(config.seed, "scales"))
        rows = torch.from_numpy(drawn).to(x.device)
        x, c = x[rows], c[rows]
    noise = torch.Generator(fabric.device).manual_seed(config.seed + 1)
    own, apart = None, config.seed + 1 + _APART * (1 + fabric.global_rank)
    if fabric.world_size > 1:
        own = torch.Generator(fabric.device).manual_seed(apart)
    setup = Setup(recipe.network, config, encoding, fabric, noise, x, c, sources, own)
    method = build_method(recipe.method, setup)
    if fabric.world_size > 1:
        # Weights began alike; what layers such as dropout draw from now on is each one's own.
        torch.manual_seed(apart)
    return Prepared(encoding, x, c, batches, method)


def _joined(samples: Sequence[Events], names: Sequence[str]) -> Events:
    """Join events of different origin with the conditions that networks are told."""
    if len(samples) == 1:
        return samples[0]
    weighted = any(sample.weights is not None for sample in samples)
    return Events.concatenate(
        [
            Events(
                sample.cells,
                {name: sample.condition(name) for name in names},
                sample.detector,
                weights=_mean_one(sample) if weighted else None,
            )
            for sample in samples
        ]
    )


def _mean_one(sample: Events) -> NDArray[np.float64]:
    """Return weights by which samples count as their numbers of events, whatever their units."""
    if sample.weights is None:
        return np.ones(len(sample))
    weights = sample.weights / sample.weights.max()
    return np.asarray(weights / weights.mean(), np.float64)
