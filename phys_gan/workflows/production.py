"""A production on disk: its parts, any of which any process can write, and the file they become.

What a production is made of, so that nobody goes on with another one.

The folder in which the parts of a file stand until all are there.

A production whose parts the workers of a cluster write.

Events from a model into a file: any number of them, in bounded memory, whatever breaks.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from phys_gan._version import __version__
from phys_gan.data.converting import ALIGNED, join
from phys_gan.data.reading import How, open_events
from phys_gan.data.source import Source
from phys_gan.data.writing import choose_format, writing
from phys_gan.errors import ConfigError, DataError, OutputError, PhysGanError
from phys_gan.events import Events, as_weights
from phys_gan.files import atomic_file, locked
from phys_gan.generation import FastSim, Precision
from phys_gan.work import read_ahead
from phys_gan.workflows.cluster import Cluster, LostError, require_shared

__all__ = [
    "MANIFEST",
    "Manifest",
    "Production",
    "alone",
    "first_event",
    "name_of",
    "parts_of",
    "produce",
    "remove",
    "spread",
    "standing",
    "write_parts",
]


@dataclass(frozen=True)
class Manifest:
    """Say what decides about every byte of a production.

    Arguments:
        phys_gan: Version of the package.
        model: SHA-256 of the model: its tensors, options and detector.
        conditions: SHA-256 of the values of each condition.
        seed: Seed of the production.
        n_events: Number of events.
        part: Events of a part.
        block: Events of a block.
        format: Name of the layout; None where the ending of the file tells.
        weights: SHA-256 of the weights that the events get; None where they get none.
    """

    phys_gan: str
    model: str
    conditions: Mapping[str, str]
    seed: int
    n_events: int
    part: int
    block: int
    format: str | None
    weights: str | None = None

    @classmethod
    def of(
        cls,
        fast: FastSim,
        conditions: Mapping[str, NDArray[np.float64]],
        n_events: int,
        weights: NDArray[np.float64] | None = None,
        *,
        seed: int,
        part: int,
        block: int,
        format: str | None,
    ) -> Manifest:
        """Describe a production."""
        digests = {name: _sha256(values.tobytes()) for name, values in conditions.items()}
        carried = None if weights is None else _sha256(weights.tobytes())
        model = _model_digest(fast)
        return cls(__version__, model, digests, seed, n_events, part, block, format, carried)

    @property
    def digest(self) -> str:
        """SHA-256 of what the events are; versions and sizes of parts do not count."""
        said = [self.model, dict(self.conditions), self.seed, self.n_events, self.format]
        # Productions without weights keep the digest that they always had.
        said += [self.weights] if self.weights else []
        return _sha256(json.dumps(said, sort_keys=True).encode())

    def save(self, path: Path) -> None:
        """Write it as JSON.

        Raises:
            OutputError: The file cannot be written.
        """
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: It is not that.
        """
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                f"'{path}' is not the description of a production",
                remedy=f"delete '{path.parent}' and begin again",
            ) from error

    def difference(self, begun: Manifest) -> str | None:
        """Return how the production that was begun differs from this one, as a clause."""
        if begun.model != self.model:
            return "with another model"
        either = "the layout that the ending tells"
        for clause, was, wanted in (
            ("with seed {}", begun.seed, self.seed),
            ("with {} events", begun.n_events, self.n_events),
            ("with the conditions {}", _listed(begun), _listed(self)),
            ("{}", _with(begun), _with(self)),
            ("by phys_gan {}", begun.phys_gan, self.phys_gan),
            ("in {}", begun.format or either, self.format or either),
            ("in parts of {} events", begun.part, self.part),
            ("in blocks of {} events", begun.block, self.block),
        ):
            if was != wanted:
                return f"{clause.format(was)}, not {wanted}"
        for name, values in self.conditions.items():
            if begun.conditions[name] != values:
                return f"with other values of '{name}'"
        return "with other weights" if begun.weights != self.weights else None


def _listed(manifest: Manifest) -> str:
    return ", ".join(sorted(manifest.conditions)) or "none"


def _with(manifest: Manifest) -> str:
    return "without weights" if manifest.weights is None else "with weights"


def _model_digest(fast: FastSim) -> str:
    model, whole = fast.model, hashlib.sha256()
    for options in (model.encoding_config, model.network_config):
        whole.update(options.model_dump_json().encode())
    whole.update(model.detector.to_toml().encode())
    whole.update(model.precision.encode())
    for module in (model.encoding, model.generator):
        for name, tensor in sorted(module.state_dict().items()):
            whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            whole.update(content.numpy().tobytes())
    return whole.hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


MANIFEST = "production.json"
_LOCK = ".lock"


def parts_of(out: str | Path) -> Path:
    """Return the folder of the parts of a file."""
    return Path(f"{out}.parts")


def name_of(number: int, out: str | Path) -> str:
    """Return the name of a part."""
    return f"{number:06d}{Path(out).suffix}"


def standing(out: str | Path) -> tuple[int, int] | None:
    """Return how many events of how many a broken production left; None where there is none.

    Raises:
        DataError: There is a folder of this name that no production made.
    """
    folder = parts_of(out)
    if not folder.is_dir():
        return None
    names = {entry.name for entry in folder.iterdir()}
    if MANIFEST not in names:
        if any(not name.startswith(".") for name in names):
            raise DataError(
                f"'{folder}' is in the way, and no production made it",
                remedy="rename it, or name another file",
            )
        return None
    begun = Manifest.load(folder / MANIFEST)
    there = [
        min(begun.part, begun.n_events - start)
        for number, start in enumerate(range(0, begun.n_events, begun.part))
        if name_of(number, out) in names
    ]
    return sum(there), begun.n_events


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other productions from a folder while the block runs; sweep up what is half-written.

    Raises:
        ConfigError: Another process is at it.
    """
    problem = f"another process is writing the parts in '{folder}'"
    with locked(folder / _LOCK, problem, "wait for it, or name another file"):
        for entry in folder.glob(".*"):
            if entry.name != _LOCK:
                entry.unlink(missing_ok=True)
        yield


def remove(folder: Path) -> None:
    """Remove the parts, and what they are parts of last, so that a break leaves no riddle."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name == MANIFEST):
        entry.unlink(missing_ok=True)
    # Network file systems keep a file for a while that somebody has open.
    with suppress(OSError):
        folder.rmdir()


_PART_CELLS = 1 << 26
_BLOCK_CELLS = 1 << 24
_BLOCKS = (256, 16_384)
_MARK = "production"


@dataclass(frozen=True)
class Production:
    """Any number of events of a model, in parts of a fixed number of events.

    Part k is the same wherever it is written. One part alone is the file itself; several stand in
    the folder ``OUT.parts`` until all are there.

    Arguments:
        fast: The model.
        out: The file to write.
        conditions: Name to values (N,) of all events.
        manifest: What the production is made of.
        weights: Weights of all events, (N,), where they get some.
    """

    fast: FastSim
    out: Path
    conditions: Mapping[str, NDArray[np.float64]]
    manifest: Manifest
    weights: NDArray[np.float64] | None = None

    @classmethod
    def plan(
        cls,
        fast: FastSim,
        out: str | Path,
        conditions: Mapping[str, ArrayLike] | int,
        *,
        weights: ArrayLike | None = None,
        seed: int = 0,
        format: str | None = None,
        block: int | None = None,
        part: int | None = None,
    ) -> Production:
        """Plan a production, without a look at the disk.

        Arguments:
            fast: The model.
            out: The file, as for :func:`phys_gan.write`.
            conditions: As for :meth:`FastSim.generate`.
            weights: As for :meth:`FastSim.generate`.
            seed: Seed of the production.
            format: Name of the layout; by default the ending of ``out`` tells.
            block: Events of a block; by default about 2^24 cells, between 256 and 16,384 events.
            part: Events of a part, a whole number of blocks; by default about 2^26 cells, and a
                multiple of what lets HDF5 parts be joined without decompression.

        Raises:
            ConfigError: Nothing says how many events to generate, or a part is no whole number of
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
        if block is None:
            most = max(_BLOCKS[0], min(_BLOCKS[1], _BLOCK_CELLS // n_cells))
            block = 1 << (most.bit_length() - 1)
        if part is None:
            unit = math.lcm(ALIGNED, block)
            part = max(1, _PART_CELLS // (n_cells * unit)) * unit
        if part % block:
            raise ConfigError(
                f"a part of {part} events is no whole number of blocks of {block}",
                remedy="choose a multiple",
                value=part,
                constraint=block,
            )
        manifest = Manifest.of(
            fast, named, n, carried, seed=seed, part=part, block=block, format=format
        )
        return cls(fast, Path(out), named, manifest, carried)

    @property
    def folder(self) -> Path:
        """Where parts stand."""
        return parts_of(self.out)

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        return -(-self.manifest.n_events // self.manifest.part)

    def span(self, number: int) -> tuple[int, int]:
        """Return the first event of a part, and the one behind its last."""
        first = number * self.manifest.part
        return first, min(first + self.manifest.part, self.manifest.n_events)

    def path(self, number: int) -> Path:
        """Return where a part is written."""
        if self.n_parts == 1:
            return self.out
        return self.folder / name_of(number, self.out)

    def events(self, first: int, last: int) -> Iterator[Events]:
        """Generate the parts from ``first`` to ``last``, block by block, one ahead in a thread."""
        begin, (_, end) = self.span(first)[0], self.span(last)
        named: Mapping[str, ArrayLike] | int = end - begin
        if self.conditions:
            named = {name: values[begin:end] for name, values in self.conditions.items()}
        manifest = self.manifest
        blocks = self.fast.stream(
            named,
            manifest.seed,
            number=begin,
            block=manifest.block,
            weights=None if self.weights is None else self.weights[begin:end],
        )
        yield from read_ahead(blocks)

    def write_part(
        self,
        number: int,
        blocks: Iterator[Events] | None = None,
        report: Callable[[int], None] = lambda done: None,
    ) -> None:
        """Write one part, which appears when it is complete; other processes may write others.

        Arguments:
            number: Which.
            blocks: Give its events, as :meth:`events` does, which is the default.
            report: Is told how many events of the production there are behind each block.

        Raises:
            PhysGanError: As in :meth:`FastSim.stream` and :func:`phys_gan.write`.
        """
        done, end = self.span(number)
        blocks = self.events(number, number) if blocks is None else blocks
        first = next(blocks)
        # The file says of which production it is; so --resume knows one that is finished.
        sample = first[:1]
        sample = replace(sample, provenance={**sample.provenance, _MARK: self.manifest.digest})
        with writing(self.path(number), sample, self.manifest.format) as add:
            while True:
                add(first)
                done += len(first)
                report(done)
                if done >= end:
                    break
                first = next(blocks)

    def begin(self) -> None:
        """Make the folder of the parts; processes that write parts do so after that.

        Raises:
            OutputError: It cannot be written.
        """
        self.manifest.save(self.folder / MANIFEST)

    def begun(self) -> bool:
        """Return whether parts of this production may be there already.

        Raises:
            ConfigError: They are those of another production; the message names the difference.
            DataError: There is a folder of this name that no production made.
        """
        if standing(self.out) is None:
            return False
        difference = self.manifest.difference(Manifest.load(self.folder / MANIFEST))
        if difference is not None:
            raise ConfigError(
                f"cannot go on with '{self.folder}', which was begun {difference}",
                remedy="ask for the same, or delete the folder",
                value=difference,
            )
        return True

    def missing(self) -> list[int]:
        """Return which parts are not there, or not whole."""
        return [number for number in range(self.n_parts) if not self._stands(number)]

    def finish(self) -> None:
        """Join the parts into the file; they stay until they are removed.

        Raises:
            PhysGanError: A part is damaged, or the file cannot be written.
        """
        joined = self.folder / f"joined{self.out.suffix}"
        if not self.is_in(joined):
            parts = [self.path(number) for number in range(self.n_parts)]
            join(parts, joined, self.manifest.format)
        joined.replace(self.out)

    def is_in(self, path: Path) -> bool:
        """Return whether a file is this production, as it says itself, and whole."""
        if not path.is_file():
            return False
        try:
            with open_events(Source(path), How()) as (reader, _):
                whole = len(reader) == self.manifest.n_events
                return whole and reader.provenance.get(_MARK) == self.manifest.digest
        except PhysGanError:
            return False

    def _stands(self, number: int) -> bool:
        if self.n_parts == 1:
            return self.is_in(self.out)
        path, (first, end) = self.path(number), self.span(number)
        if not path.is_file():
            return False
        try:
            with open_events(Source(path), How()) as (reader, _):
                return len(reader) == end - first
        except PhysGanError:
            # A crash of the machine may leave a name without the content.
            return False

    def check_target(self, sample: Events) -> None:
        """Require that such events can stand in the file.

        Raises:
            PhysGanError: They cannot.
        """
        if self.out.is_dir():
            raise OutputError(f"cannot write '{self.out}': it is a folder", remedy="name a file")
        choose_format(self.out, sample, self.manifest.format)


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
            :func:`phys_gan.workflows.production.write_parts`.
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
