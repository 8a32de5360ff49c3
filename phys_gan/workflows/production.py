"""Production: any number of events in a file, in bounded memory; :func:`produce`.

The events are those of a model or of full simulation. A production is cut into parts of a fixed
number of events, and a part into blocks. What is random in an event depends on the seed and its
number alone, so part k is the same whichever process writes it, and the HDF5 file is the same, byte
for byte, however often the production was interrupted. A single part is written as the file itself.
Several stand in the folder ``OUT.parts`` (:mod:`phys_gan.workflows.manifest`) until all are there,
and are then joined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain, groupby, islice
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan._version import __version__
from phys_gan.data.converting import ALIGNED, join
from phys_gan.data.reading import How, open_events
from phys_gan.data.source import Source
from phys_gan.data.writing import choose_format, writing
from phys_gan.errors import ConfigError, OutputError, PhysGanError
from phys_gan.events import Events, as_weights
from phys_gan.files import atomic_file
from phys_gan.generation import FastSim, Precision
from phys_gan.work import read_ahead
from phys_gan.workflows.cluster import Cluster, LostError, require_shared
from phys_gan.workflows.manifest import (
    MANIFEST,
    Manifest,
    Simulation,
    events_written,
    exclusive,
    part_name,
    parts_folder,
    remove_parts,
    sha256,
)

_PART_CELLS = 1 << 26
_BLOCK_CELLS = 1 << 24
_BLOCKS = (256, 16_384)
_SIMULATED = (16, 128)
"""Events of a block and of a part where each takes a second."""
_MARK = "production"
_MODEL = "model.safetensors"
_CONDITIONS = "conditions.npy"
_WEIGHTS = "weights.npy"

Report = Callable[[int], None]
"""Called with the number of events that are written."""


def _unreported(done: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Production:
    """Any number of events, in parts of a fixed number of events.

    Arguments:
        fast: The model or the simulation.
        out: The file to write.
        conditions: Name to values (N,) of all events.
        manifest: What the production is made of.
        weights: Weights of all events, (N,), or None.
    """

    fast: FastSim | Simulation
    out: Path
    conditions: Mapping[str, NDArray[np.float64]]
    manifest: Manifest
    weights: NDArray[np.float64] | None = None

    @classmethod
    def plan(
        cls,
        fast: FastSim | Simulation,
        out: str | Path,
        conditions: Mapping[str, ArrayLike] | int,
        *,
        weights: ArrayLike | None = None,
        seed: int = 0,
        format: str | None = None,
        block: int | None = None,
        part: int | None = None,
    ) -> Production:
        """Plan a production, without touching the disk; the arguments are those of :func:`produce`.

        Raises:
            ConfigError: The number of events is not given, or a part is not a whole number of
                blocks.
            DataError: There is not one weight per event.
        """
        named: dict[str, NDArray[np.float64]] = {}
        if isinstance(conditions, int | np.integer):
            n = int(conditions)
        else:
            named = {name: np.asarray(values, np.float64) for name, values in conditions.items()}
            n = max(map(len, named.values()), default=0)
        if n < 1:
            raise ConfigError("nothing says how many events to generate", remedy="give conditions")
        carried = as_weights(weights, n)
        n_cells = fast.detector.n_cells
        if not isinstance(fast, FastSim):
            block, part = block or _SIMULATED[0], part or _SIMULATED[1]
        if block is None:
            most = max(_BLOCKS[0], min(_BLOCKS[1], _BLOCK_CELLS // n_cells))
            block = 1 << (most.bit_length() - 1)
        if part is None:
            unit = math.lcm(ALIGNED, block)
            part = max(1, _PART_CELLS // (n_cells * unit)) * unit
        if part % block:
            raise ConfigError(
                f"a part of {part} events is not a whole number of blocks of {block}",
                remedy="choose a multiple",
                value=part,
                constraint=block,
            )
        manifest = Manifest(
            phys_gan=__version__,
            model=fast.digest,
            conditions={name: sha256(values.tobytes()) for name, values in named.items()},
            seed=seed,
            n_events=n,
            part=part,
            block=block,
            format=format,
            weights=None if carried is None else sha256(carried.tobytes()),
            simulated=not isinstance(fast, FastSim),
        )
        return cls(fast, Path(out), named, manifest, carried)

    def spread(self, n_parts: int) -> Production:
        """Return the production in at least so many parts, if parts can be that small.

        The file is the same: parts are still whole chunks of its tables.
        """
        unit = math.lcm(ALIGNED, self.manifest.block)
        part = max(1, self.manifest.n_events // n_parts // unit) * unit
        part = min(self.manifest.part, part)
        return replace(self, manifest=replace(self.manifest, part=part))

    @property
    def folder(self) -> Path:
        """Folder of the parts."""
        return parts_folder(self.out)

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        return -(-self.manifest.n_events // self.manifest.part)

    def span(self, number: int) -> tuple[int, int]:
        """Return the first event of a part, and the one after its last."""
        first = number * self.manifest.part
        return first, min(first + self.manifest.part, self.manifest.n_events)

    def size(self, number: int) -> int:
        """Return the number of events of a part."""
        first, end = self.span(number)
        return end - first

    def path(self, number: int) -> Path:
        """Return where a part is written."""
        return self.out if self.n_parts == 1 else self.folder / part_name(number, self.out)

    def events(self, first: int, last: int) -> Iterator[Events]:
        """Generate the parts from ``first`` to ``last``, block by block."""
        begin, (_, end) = self.span(first)[0], self.span(last)
        weights = None if self.weights is None else self.weights[begin:end]
        named = {name: values[begin:end] for name, values in self.conditions.items()}
        seed, block = self.manifest.seed, self.manifest.block
        if isinstance(self.fast, FastSim):
            # One block ahead, in a thread.
            wanted: Mapping[str, ArrayLike] | int = named or end - begin
            yield from read_ahead(
                self.fast.stream(wanted, seed, number=begin, block=block, weights=weights)
            )
        else:
            yield from self.fast.stream(named, seed, number=begin, block=block, weights=weights)

    def check(self) -> None:
        """Check the conditions of all events, and that the file can hold such events.

        Raises:
            PhysGanError: As in :meth:`FastSim.stream` and :func:`phys_gan.write`.
        """
        manifest, fast = self.manifest, self.fast
        if isinstance(fast, FastSim):
            conditions = dict(self.conditions) or manifest.n_events
            sample = next(
                replace(fast, compiled=False).stream(
                    conditions, manifest.seed, block=1, weights=self.weights
                )
            )
        else:
            weights = None if self.weights is None else self.weights[:1]
            first = {name: values[:1] for name, values in self.conditions.items()}
            sample = next(fast.stream(first, manifest.seed, block=1, weights=weights))
        if self.out.is_dir():
            raise OutputError(f"cannot write '{self.out}': it is a folder", remedy="name a file")
        choose_format(self.out, sample, manifest.format)

    def begin(self) -> None:
        """Make the folder of the parts, into which processes then write.

        Raises:
            OutputError: It cannot be written.
        """
        self.manifest.save(self.folder / MANIFEST)

    def begun(self, resume: bool) -> bool:
        """Return whether there may be parts of this production already.

        Raises:
            ConfigError: There are, but ``resume`` is not set, or they belong to another
                production; the message names the difference.
            DataError: The folder exists, but does not belong to a production.
        """
        found = events_written(self.out)
        if found is None:
            return False
        written, n = found
        if not resume:
            raise ConfigError(
                f"'{self.folder}' holds {written} of {n} events of a production that broke off",
                remedy="go on with --resume, or delete the folder",
                value=written,
                constraint=n,
            )
        difference = self.manifest.difference(Manifest.load(self.folder / MANIFEST))
        if difference is not None:
            raise ConfigError(
                f"cannot go on with '{self.folder}', which was begun {difference}",
                remedy="ask for the same, or delete the folder",
                value=difference,
            )
        return True

    def write_part(
        self,
        number: int,
        blocks: Iterator[Events] | None = None,
        report: Report = _unreported,
    ) -> None:
        """Write one part, which appears when it is complete; other processes may write others.

        Its events are the next ones of ``blocks``, by default of :meth:`events`.

        Raises:
            PhysGanError: As in :meth:`FastSim.stream` and :func:`phys_gan.write`.
        """
        done, blocks = self.span(number)[0], blocks or self.events(number, number)
        first = next(blocks)
        rest = islice(blocks, -(-self.size(number) // self.manifest.block) - 1)
        # The file names its production, by which --resume recognises one that is finished.
        marked = {**first.provenance, _MARK: self.manifest.digest}
        sample = replace(first[:1], provenance=marked)
        with writing(self.path(number), sample, self.manifest.format) as add:
            for events in chain([first], rest):
                add(events)
                done += len(events)
                report(done)

    def missing(self) -> list[int]:
        """Return which parts are missing or damaged."""
        if self.n_parts == 1:
            return [] if self.is_in(self.out) else [0]
        return [k for k in range(self.n_parts) if not _holds(self.path(k), self.size(k))]

    def finish(self) -> None:
        """Join the parts into the file; they stay until they are removed.

        Raises:
            PhysGanError: A part is damaged, or the file cannot be written.
        """
        joined = self.folder / f"joined{self.out.suffix}"
        if not self.is_in(joined):
            join([self.path(k) for k in range(self.n_parts)], joined, self.manifest.format)
        joined.replace(self.out)

    def is_in(self, path: Path) -> bool:
        """Return whether a file holds this production, completely."""
        return _holds(path, self.manifest.n_events, self.manifest.digest)


def _holds(path: Path, n_events: int, digest: str | None = None) -> bool:
    """Return whether a file has so many events and, if a digest is given, names it."""
    if not path.is_file():
        return False
    try:
        with open_events(Source(path), How()) as (reader, _):
            named = digest is None or reader.provenance.get(_MARK) == digest
            return named and len(reader) == n_events
    except PhysGanError:
        # A crash of the machine may leave a name without the content.
        return False


def produce(
    model: str | Path | FastSim | Simulation,
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
    report: Report = _unreported,
) -> int:
    """Generate events into a file, which appears when it is complete.

    A thread generates the next block while one is compressed and written; a few blocks are in
    memory. Events of more than one part stand in the folder ``OUT.parts`` until all are there: an
    interruption loses the part that is being written, and ``resume`` goes on with the others. The
    file is the same as without an interruption.

    Arguments:
        model: A model, or what :meth:`FastSim.load` finds; or a simulation, such as
            :class:`phys_gan.simulation.workers.FullSimulation`.
        out: The file, as for :func:`phys_gan.write`.
        conditions: As for :meth:`FastSim.generate`.
        weights: As for :meth:`FastSim.generate`.
        seed: Seed of the production.
        format: Name of the layout; by default that of the ending of ``out``.
        block: Events of a block; by default about 2^24 cells, between 256 and 16,384 events, and
            16 of a simulation.
        part: Events of a part, a whole number of blocks; by default those of the interrupted
            production, or about 2^26 cells and a multiple of what lets HDF5 parts be joined without
            decompression, or fewer, so that all workers of a cluster have parts to write, and 128
            of a simulation.
        resume: Go on with a production that was interrupted, or begin one; do nothing where
            ``out`` is this production already.
        cluster: Workers that write the parts in place of this process. The file is the same.
        device: Where these workers run the model, as in :meth:`FastSim.load`.
        report: Called with the number of events written.

    Returns:
        The number of events.

    Raises:
        ConfigError: There is an interrupted production, and ``resume`` is not set or it was
            another one; with ``resume``, ``out`` exists and is not this production.
        LostError: The scheduler of the cluster is gone, or a part killed its workers.
        PhysGanError: As in :meth:`FastSim.stream` and :func:`phys_gan.write`.
    """
    fast = FastSim.load(model) if isinstance(model, str | Path) else model
    if cluster is not None and not isinstance(fast, FastSim):
        raise ConfigError("a cluster generates events of models only", remedy="leave it out")
    small = cluster is not None and part is None
    if resume and part is None and events_written(out) is not None:
        small, part = False, Manifest.load(parts_folder(out) / MANIFEST).part
    production = Production.plan(
        fast, out, conditions, weights=weights, seed=seed, format=format, block=block, part=part
    )
    if cluster is not None and small:
        production = production.spread(cluster.n_tasks)
    n = production.manifest.n_events

    # What is there already.
    begun = production.begun(resume)
    if resume and production.is_in(production.out):
        if begun:
            remove_parts(production.folder)
        return n
    if resume and not begun and production.out.exists():
        raise ConfigError(
            f"'{out}' exists, but is not the production that is asked for",
            remedy="leave --resume out to replace it, or name another file",
        )
    if production.n_parts == 1 and not begun and cluster is None:
        production.write_part(0, report=report)
        return n
    if not begun:
        # Before anything is written.
        production.check()
        production.begin()
    missing = production.missing() if begun else list(range(production.n_parts))
    done = n - sum(map(production.size, missing))
    if done:
        report(done)

    # What is missing.
    with exclusive(production.folder), _resumable(production):
        if cluster is None:
            # Runs of parts that follow one another.
            for _, group in groupby(enumerate(missing), lambda pair: pair[1] - pair[0]):
                run = [number for _, number in group]
                blocks = production.events(run[0], run[-1])
                for number in run:
                    production.write_part(number, blocks, report)
        else:
            for number in _written_by(cluster, production, missing, device):
                done += production.size(number)
                report(done)
        if production.n_parts > 1:
            production.finish()
    remove_parts(production.folder)
    return n


@contextmanager
def _resumable(production: Production) -> Iterator[None]:
    """Add to an error of writing that the other parts are kept, and how to go on."""
    try:
        yield
    except OutputError as error:
        written, n = events_written(production.out) or (0, production.manifest.n_events)
        before = error.remedy if isinstance(error, LostError) else "free space"
        raise OutputError(
            error.problem,
            remedy=f"{before}, then go on with --resume: {written} of {n} events are in "
            f"'{production.folder}'",
            value=written,
            constraint=n,
        ) from error


def _written_by(
    cluster: Cluster, production: Production, numbers: Sequence[int], device: str
) -> Iterator[int]:
    """Let workers write parts of a production that has begun; yield the number of each.

    Model, conditions and weights go through the folder of the parts, which workers see under the
    same path; each reads the model once, and of the others what belongs to its part.
    """
    folder, fast = production.folder, production.fast
    assert isinstance(fast, FastSim)
    if not (folder / _MODEL).exists():
        fast.model.save(folder / _MODEL)
    tables = {_WEIGHTS: production.weights}
    if production.conditions:
        names = sorted(production.conditions)
        tables[_CONDITIONS] = np.stack([production.conditions[name] for name in names])
    for name, table in tables.items():
        if table is not None and not (folder / name).exists():
            with atomic_file(folder / name) as temporary:
                np.save(temporary, table)
    write = partial(
        _write_shared,
        out=production.out.resolve(),
        manifest=production.manifest,
        run=(device, fast.precision, fast.compiled),
    )
    for place, _ in cluster.each(write, numbers):
        yield numbers[place]


def _write_shared(
    number: int, *, out: Path, manifest: Manifest, run: tuple[str, Precision, bool]
) -> None:
    """Write a part, on a worker; ``run`` is device, precision and compilation of the model."""
    folder = parts_folder(out)
    require_shared(folder / MANIFEST, manifest.phys_gan)
    fast = _loaded(folder / _MODEL, manifest.model, *run)
    conditions: dict[str, NDArray[np.float64]] = {}
    if manifest.conditions:
        rows = np.load(folder / _CONDITIONS, mmap_mode="r")
        named = dict(zip(sorted(manifest.conditions), rows, strict=True))
        conditions = {name: named[name] for name in manifest.conditions}
    weights = np.load(folder / _WEIGHTS, mmap_mode="r") if manifest.weights else None
    Production(fast, out, conditions, manifest, weights).write_part(number)


@lru_cache(maxsize=1)
def _loaded(path: Path, digest: str, device: str, precision: Precision, compiled: bool) -> FastSim:
    """Load a model, again only if its digest changes."""
    return FastSim.load(path, device, precision=precision, compiled=compiled)
