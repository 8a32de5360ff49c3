"""Events from a model into a file: any number of them, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from numpy.typing import ArrayLike

from phys_gan.data.writing import writing
from phys_gan.errors import ConfigError
from phys_gan.events import Events
from phys_gan.generation import FastSim

__all__ = ["produce"]


def produce(
    model: str | Path | FastSim,
    out: str | Path,
    conditions: Mapping[str, ArrayLike] | int,
    *,
    seed: int = 0,
    format: str | None = None,
    block: int = 16_384,
    report: Callable[[int], None] = lambda done: None,
) -> int:
    """Generate events into a file, which appears when it is complete.

    A thread generates the next block while one is compressed and written; no more than three
    blocks are in memory.

    Arguments:
        model: A model, or what :meth:`FastSim.load` finds.
        out: The file, as for :func:`phys_gan.write`.
        conditions: As for :meth:`FastSim.generate`.
        seed: Seed of the production.
        format: Name of the layout; by default the ending of ``out`` tells.
        block: Events of a block.
        report: Is told how many events have been written.

    Returns:
        The number of events.

    Raises:
        PhysGanError: As in :meth:`FastSim.stream` and :func:`phys_gan.write`.
    """
    fast = model if isinstance(model, FastSim) else FastSim.load(model)
    blocks = fast.stream(conditions, seed, block=block)
    first = next(blocks, None)
    if first is None:
        raise ConfigError("nothing says how many events to generate", remedy="give conditions")
    done = 0
    with writing(out, first, format) as add:
        for events in _ahead(first, blocks):
            add(events)
            done += len(events)
            report(done)
    return done


def _ahead(first: Events, rest: Iterator[Events]) -> Iterator[Events]:
    """Go through blocks while a thread makes the next one."""
    with ThreadPoolExecutor(1) as thread:
        current: Events | None = first
        while current is not None:
            coming = thread.submit(next, rest, None)
            yield current
            current = coming.result()
