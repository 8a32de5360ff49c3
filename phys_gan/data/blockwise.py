"""Events of files of any size, in order, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from phys_gan.data.mapping import HitMapping
from phys_gan.data.reading import How, open_events, with_pdg
from phys_gan.data.source import Paths, find_sources
from phys_gan.data.survey import Survey, survey
from phys_gan.detectors import Detector
from phys_gan.events import Events

__all__ = ["Blocks", "blocks"]

_BLOCK_CELLS = 1 << 24


@dataclass(frozen=True)
class Blocks:
    """The events of several files, which are read each time they are asked for.

    Arguments:
        found: The files.
        how: How to read them.
    """

    found: Survey
    how: How

    @property
    def detector(self) -> Detector:
        """The detector of all events."""
        return self.found.sample.detector

    @property
    def n_events(self) -> int:
        """Number of events in all files."""
        return self.found.n_events

    def __iter__(self) -> Iterator[Events]:
        for source, number in zip(self.found.sources, self.found.pdg, strict=True):
            with open_events(source, self.how) as (reader, _):
                rows = max(1, _BLOCK_CELLS // reader.detector.n_cells)
                for start in range(0, len(reader), rows):
                    yield with_pdg(reader.read(start, start + rows), number)


def blocks(
    paths: Paths,
    *,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | HitMapping | None = None,
) -> Blocks:
    """Read files of any size block by block, in order; arguments and errors as in :func:`read`.

    Example:
        >>> parts = blocks("datasets/geant4_calogan_eplus.h5")
        >>> parts.n_events, [len(part) for part in parts]
        (5000, [5000])
    """
    how = How.of(detector, format, mapping)
    return Blocks(survey(find_sources(paths), how), how)
