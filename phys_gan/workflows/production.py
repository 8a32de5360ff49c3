"""A production on disk: its parts, any of which any process can write, and the file they become."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.data.joining import ALIGNED, join
from phys_gan.data.reading import How, open_events
from phys_gan.data.source import Source
from phys_gan.data.writing import choose_format, writing
from phys_gan.errors import ConfigError, OutputError, PhysGanError
from phys_gan.events import Events, as_weights
from phys_gan.generation import FastSim
from phys_gan.workflows.manifest import Manifest
from phys_gan.workflows.parts import MANIFEST, name_of, parts_of, standing

__all__ = ["Production"]

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
        with ThreadPoolExecutor(1) as thread:
            current = next(blocks, None)
            while current is not None:
                coming = thread.submit(next, blocks, None)
                yield current
                current = coming.result()

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
