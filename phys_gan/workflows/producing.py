"""Events from a model into a file: any number of them, in bounded memory, whatever breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from numpy.typing import ArrayLike

from phys_gan.errors import ConfigError, OutputError
from phys_gan.events import Events
from phys_gan.generation import FastSim
from phys_gan.workflows.cluster import Cluster, LostError
from phys_gan.workflows.distributing import first_event, spread, write_parts
from phys_gan.workflows.manifest import Manifest
from phys_gan.workflows.parts import MANIFEST, alone, parts_of, remove, standing
from phys_gan.workflows.production import Production

__all__ = ["produce"]

Report = Callable[[int], None]


def produce(
    model: str | Path | FastSim,
    out: str | Path,
    conditions: Mapping[str, ArrayLike] | int,
    *,
    weights: ArrayLike | None = None,
    seed: int = 0,
    format: str | None = None,
    block: int | None = None,
    part: int | None = None,
    resume: bool = False,
    cluster: Cluster | None = None,
    device: str = "auto",
    report: Report = lambda done: None,
) -> int:
    """Generate events into a file, which appears when it is complete.

    A thread generates the next block while one is compressed and written; a few blocks are in
    memory. Events of more than one part stand in the folder ``OUT.parts`` until all are there: a
    production that breaks off loses the part it was at, and goes on with ``resume``. It ends with
    the same file as one that never broke off.

    Arguments:
        model: A model, or what :meth:`FastSim.load` finds.
        out: The file, as for :func:`phys_gan.write`.
        conditions: As for :meth:`FastSim.generate`.
        weights: As for :meth:`FastSim.generate`.
        seed: Seed of the production.
        format: Name of the layout; by default the ending of ``out`` tells.
        block: Events of a block, see :meth:`Production.plan`.
        part: Events of a part, see there; by default those of the production that is gone on with,
            or so few that all workers of a cluster have parts to write.
        resume: Go on with a production that broke off, or begin one; do nothing where ``out`` is
            this production already.
        cluster: Workers that write the parts, where this process does not. The file is the same.
        device: Where these workers run the model, as in :meth:`FastSim.load`.
        report: Is told how many events have been written.

    Returns:
        The number of events.

    Raises:
        ConfigError: A production that broke off is there and ``resume`` is not set, or it was
            another one; ``out`` is there with ``resume`` and is not this production.
        PhysGanError: As in :meth:`FastSim.stream`, :func:`phys_gan.write` and
            :func:`phys_gan.workflows.distributing.write_parts`.
    """
    fast = model if isinstance(model, FastSim) else FastSim.load(model)
    small = cluster is not None and part is None
    if resume and part is None and standing(out) is not None:
        small, part = False, Manifest.load(parts_of(out) / MANIFEST).part
    production = Production.plan(
        fast, out, conditions, weights=weights, seed=seed, format=format, block=block, part=part
    )
    if cluster is not None and small:
        production = spread(production, cluster.n_tasks)
    n = production.manifest.n_events
    begun = _begun(production, resume)
    if resume and production.is_in(production.out):
        if begun:
            remove(production.folder)
        return n
    if resume and not begun and production.out.exists():
        raise ConfigError(
            f"'{out}' is there, but is not the production that is asked for",
            remedy="leave --resume out to replace it, or name another file",
        )
    if production.n_parts == 1 and not begun and cluster is None:
        production.write_part(0, report=report)
        return n
    missing = production.missing() if begun else list(range(production.n_parts))
    if cluster is None:
        _write_here(production, missing, begun, report)
    else:
        _write_there(production, missing, begun, report, cluster, device)
    return n


def _begun(production: Production, resume: bool) -> bool:
    """Return whether there is something to go on with."""
    found = standing(production.out)
    if found is not None and not resume:
        there, n = found
        raise ConfigError(
            f"'{production.folder}' holds {there} of {n} events of a production that broke off",
            remedy="go on with --resume, or delete the folder",
            value=there,
            constraint=n,
        )
    return production.begun()


def _write_here(production: Production, missing: list[int], begun: bool, report: Report) -> None:
    blocks: Iterator[Events] | None = None
    if not begun:
        # What is wrong with conditions or layout is said before anything is written.
        blocks = production.events(0, production.n_parts - 1)
        first = next(blocks)
        production.check_target(first)
        blocks = chain([first], blocks)
        production.begin()
    else:
        report(_there(production, missing))
    with _finishing(production):
        for first_part, last_part in _runs(missing):
            run = blocks or production.events(first_part, last_part)
            for number in range(first_part, last_part + 1):
                production.write_part(number, run, report)


def _write_there(
    production: Production,
    missing: list[int],
    begun: bool,
    report: Report,
    cluster: Cluster,
    device: str,
) -> None:
    production.check_target(first_event(production))
    if not begun:
        production.begin()
    report(_there(production, missing))
    with _finishing(production):
        write_parts(cluster, production, missing, device, report)


def _there(production: Production, missing: list[int]) -> int:
    """Return how many events are written."""
    spans = map(production.span, missing)
    return production.manifest.n_events - sum(stop - start for start, stop in spans)


@contextmanager
def _finishing(production: Production) -> Iterator[None]:
    """Make the file of the parts that the block writes, and remove them."""
    with alone(production.folder), _going_on(production):
        yield
        if production.n_parts > 1:
            production.finish()
    remove(production.folder)


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Return the first and last of numbers that follow one another."""
    for place, number in enumerate(numbers):
        if place == 0 or numbers[place - 1] != number - 1:
            end = place
            while end + 1 < len(numbers) and numbers[end + 1] == numbers[end] + 1:
                end += 1
            yield number, numbers[end]


@contextmanager
def _going_on(production: Production) -> Iterator[None]:
    """Say, where a part or the file cannot be written, that nothing of the others is lost."""
    try:
        yield
    except OutputError as error:
        there, n = standing(production.out) or (0, production.manifest.n_events)
        before = error.remedy if isinstance(error, LostError) else "free space"
        raise OutputError(
            error.problem,
            remedy=f"{before}, then go on with --resume: {there} of {n} events are in "
            f"'{production.folder}'",
            value=there,
            constraint=n,
        ) from error
