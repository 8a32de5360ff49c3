"""What several files hold together, without their cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.hdf5_rows import Chunks
from phys_gan.data.format import Reader
from phys_gan.data.reading import How, check, open_events, particle_numbers, with_pdg
from phys_gan.data.source import Source
from phys_gan.errors import DataError
from phys_gan.events import Events

__all__ = ["Survey", "survey"]

_SAMPLE, _SAMPLE_CELLS = 1000, 1 << 22


@dataclass(frozen=True)
class Survey:
    """What several files hold together.

    Attributes:
        sources: The files.
        counts: Number of events in each file.
        blocks: Events that each file stores together.
        pdg: PDG number that the events of each file get as a condition; None for no such.
        conditions: The conditions of all events in order, ``pdg`` among them where there is one.
        sample: The first event of each file, with the joined provenance.
        overflow: Which files know the energy outside the cells.
        weights: The weights of all events in order, where they have some.
        chunks: Those of each file that are decompressed for its cells.
    """

    sources: Sequence[Source]
    counts: Sequence[int]
    blocks: Sequence[int]
    pdg: Sequence[int | None]
    conditions: dict[str, NDArray[np.float64]]
    sample: Events
    overflow: Sequence[bool]
    weights: NDArray[np.float64] | None = None
    chunks: Sequence[Sequence[Chunks]] = ()

    @property
    def n_events(self) -> int:
        """Number of events in all files."""
        return sum(self.counts)


def survey(sources: Sequence[Source], how: How) -> Survey:
    """Open each file once; check its first events.

    Raises:
        PhysGanError: A file cannot be read, or the files do not go together.
    """
    firsts, readers, chunks = [], [], []
    for source in sources:
        with open_events(source, how) as (reader, layout):
            rows = max(1, min(_SAMPLE, _SAMPLE_CELLS // reader.detector.n_cells))
            events = reader.read(0, rows)
            check(events, reader, layout)
            _check_conditions(reader)
            firsts.append(events[:1])
            readers.append(reader)
            chunks.append(reader.compressed())
    pdg = particle_numbers(sources, firsts)
    firsts = [with_pdg(events, number) for events, number in zip(firsts, pdg, strict=True)]
    sample = Events.concatenate(firsts)
    conditions = {
        name: np.concatenate(
            [
                reader.conditions[name]
                if name in reader.conditions
                else np.full(len(reader), float(number or 0))
                for reader, number in zip(readers, pdg, strict=True)
            ]
        )
        for name in sample.conditions
    }
    # The sample could not be joined if some had weights and others not.
    weights = [reader.weights for reader in readers if reader.weights is not None]
    return Survey(
        sources,
        [len(reader) for reader in readers],
        [reader.block for reader in readers],
        pdg,
        conditions,
        sample,
        [events.overflow is not None for events in firsts],
        np.concatenate(weights) if weights else None,
        chunks,
    )


def _check_conditions(reader: Reader) -> None:
    """Check the conditions of all events, so that none is found wrong hours later."""
    columns = {f"condition '{name}'": values for name, values in reader.conditions.items()}
    if reader.weights is not None:
        columns["weights"] = reader.weights
    for name, values in columns.items():
        wrong = ~np.isfinite(values)
        what = "NaN or infinite"
        if name == "condition 'energy'" and not wrong.any():
            wrong, what = values <= 0, "not positive"
        if wrong.any():
            raise DataError(
                f"{name} {'are' if name == 'weights' else 'is'} {what} in {wrong.sum()} of "
                f"{len(values)} events (first: event {np.flatnonzero(wrong)[0]})",
                remedy="find out what the simulation did there, or remove these events",
                value=name,
            )
