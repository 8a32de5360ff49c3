"""A production whose parts the workers of a cluster write."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.joining import ALIGNED
from phys_gan.events import Events
from phys_gan.files import atomic_file
from phys_gan.generation import FastSim, Precision
from phys_gan.workflows.cluster import Cluster
from phys_gan.workflows.manifest import Manifest
from phys_gan.workflows.parts import MANIFEST, parts_of
from phys_gan.workflows.production import Production
from phys_gan.workflows.sharing import require_shared

__all__ = ["first_event", "spread", "write_parts"]

_MODEL = "model.safetensors"
_CONDITIONS = "conditions.npy"
_WEIGHTS = "weights.npy"


@dataclass(frozen=True)
class _Part:
    """What a worker is told: the rest it finds in the folder of the parts.

    Arguments:
        out: The file that the parts become, as an absolute path.
        manifest: What the production is made of.
        number: Which part to write.
        device: Where to run the model.
        precision: As in :meth:`FastSim.load`.
        compiled: As in :meth:`FastSim.load`.
    """

    out: Path
    manifest: Manifest
    number: int
    device: str
    precision: Precision
    compiled: bool


def spread(production: Production, n_parts: int) -> Production:
    """Return the production in at least so many parts, if parts can be that small.

    The file is the same: parts still are whole chunks of its tables.
    """
    manifest = production.manifest
    unit = math.lcm(ALIGNED, manifest.block)
    share = manifest.n_events // n_parts
    part = min(manifest.part, max(1, share // unit) * unit)
    return replace(production, manifest=replace(manifest, part=part))


def first_event(production: Production) -> Events:
    """Generate one event, and check the conditions of all."""
    model = replace(production.fast.model, compiled=False)
    conditions = dict(production.conditions) or production.manifest.n_events
    seed, weights = production.manifest.seed, production.weights
    return next(FastSim(model).stream(conditions, seed, block=1, weights=weights))


def write_parts(
    cluster: Cluster,
    production: Production,
    numbers: Sequence[int],
    device: str,
    report: Callable[[int], None],
) -> None:
    """Let workers write parts of a production that has begun.

    Model, conditions and weights go through the folder of the parts, where each worker reads the
    model once and what belongs to its part only.

    Arguments:
        cluster: The workers, which see the folder under the same path.
        production: What they are parts of.
        numbers: Which.
        device: Where the workers run the model.
        report: Is told how many events of the production are written.

    Raises:
        ConfigError: A worker does not see the folder, or runs another phys_gan.
        LostError: The scheduler is gone, or a part killed its workers.
        PhysGanError: As in :meth:`Production.write_part`.
    """
    _share(production)
    model, out = production.fast.model, production.out.resolve()
    parts = [
        _Part(out, production.manifest, number, device, model.precision, model.compiled)
        for number in numbers
    ]
    sizes = [stop - start for start, stop in map(production.span, numbers)]
    done = production.manifest.n_events - sum(sizes)
    for place, _ in cluster.each(_write, parts):
        done += sizes[place]
        report(done)


def _share(production: Production) -> None:
    folder = production.folder
    if not (folder / _MODEL).exists():
        production.fast.model.save(folder / _MODEL)
    if production.conditions and not (folder / _CONDITIONS).exists():
        with atomic_file(folder / _CONDITIONS) as temporary:
            names = sorted(production.conditions)
            np.save(temporary, np.stack([production.conditions[name] for name in names]))
    if production.weights is not None and not (folder / _WEIGHTS).exists():
        with atomic_file(folder / _WEIGHTS) as temporary:
            np.save(temporary, production.weights)


def _write(part: _Part) -> None:
    """Write a part, on a worker."""
    manifest = part.manifest
    folder = parts_of(part.out)
    require_shared(folder / MANIFEST, manifest.phys_gan)
    fast = _loaded(folder / _MODEL, manifest.model, part.device, part.precision, part.compiled)
    conditions: dict[str, NDArray[np.float64]] = {}
    if manifest.conditions:
        rows = np.load(folder / _CONDITIONS, mmap_mode="r")
        named = dict(zip(sorted(manifest.conditions), rows, strict=True))
        conditions = {name: named[name] for name in manifest.conditions}
    weights = np.load(folder / _WEIGHTS, mmap_mode="r") if manifest.weights else None
    Production(fast, part.out, conditions, manifest, weights).write_part(part.number)


@lru_cache(maxsize=1)
def _loaded(path: Path, digest: str, device: str, precision: Precision, compiled: bool) -> FastSim:
    """Load a model, once as long as its tensors, which ``digest`` stands for, are the same."""
    return FastSim.load(path, device, precision=precision, compiled=compiled)
