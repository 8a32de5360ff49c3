"""Events of files of any size, in order, a block at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path

from phys_gan.data.containers.hdf5_rows import spare_memory
from phys_gan.data.format import block_rows
from phys_gan.data.mapping import HitMapping
from phys_gan.data.reading import How, open_events, with_pdg
from phys_gan.data.source import Paths, find_sources
from phys_gan.data.survey import Survey, restricted, survey
from phys_gan.detectors import Detector
from phys_gan.events import Events

__all__ = ["Blocks", "blocks"]


@dataclass(frozen=True)
class Blocks:
    """The events of several files, which are read each time they are asked for.

    Arguments:
        found: The files.
        how: How to read them.
        span: Which blocks of them, from one to the one behind the last; all when None.
    """

    found: Survey
    how: How
    span: tuple[int, int] | None = None

    @property
    def detector(self) -> Detector:
        """The detector of all events."""
        return self.found.sample.detector

    @property
    def n_events(self) -> int:
        """Number of events."""
        return sum(stop - start for _, start, stop in self._places())

    def cut(self, most: int) -> list[tuple[int, Blocks]]:
        """Return at most so many parts, and in front of each how many events there are before it.

        All blocks of the parts together are those of the whole. A part may travel to another
        process: it names its files from the root, and does not carry the conditions of all events.
        """
        places = list(self._places())
        size = max(1, -(-len(places) // most))
        sources = [replace(source, path=source.path.resolve()) for source in self.found.sources]
        light = replace(self.found, sources=sources, conditions={}, weights=None)
        parts, before = [], 0
        for first in range(0, len(places), size):
            part = Blocks(light, self.how, (first, min(first + size, len(places))))
            parts.append((before, part))
            before += part.n_events
        return parts

    def __iter__(self) -> Iterator[Events]:
        for number, places in groupby(self._places(), key=lambda place: place[0]):
            source, pdg = self.found.sources[number], self.found.pdg[number]
            with open_events(source, self.how, spare_memory()) as (reader, _):
                for _, start, stop in places:
                    events = with_pdg(reader.read(start, stop), pdg)
                    yield restricted(events, self.found.sample)

    def _places(self) -> Iterator[tuple[int, int, int]]:
        """Return of each block the number of its file, and its first event and that behind it."""
        rows = block_rows(self.detector)
        places = (
            (number, start, min(start + rows, count))
            for number, count in enumerate(self.found.counts)
            for start in range(0, count, rows)
        )
        return islice(places, *(self.span or (0, None)))


def blocks(
    paths: Paths,
    *,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | HitMapping | None = None,
    drop: Collection[str] = (),
) -> Blocks:
    """Read files of any size block by block, in order; arguments and errors as in :func:`read`.

    Conditions of the names in ``drop`` are left out, and ``"overflow"`` and ``"weights"``.

    Example:
        >>> parts = blocks("datasets/geant4_calogan_eplus.h5")
        >>> parts.n_events, [len(part) for part in parts]
        (5000, [5000])
    """
    how = How.of(detector, format, mapping)
    return Blocks(survey(find_sources(paths), how, drop), how)
