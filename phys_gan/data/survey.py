"""What several files hold together, without their cells."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.hdf5_rows import Chunks
from phys_gan.data.format import Reader
from phys_gan.data.reading import How, check, open_events, particle_numbers, shared, with_pdg
from phys_gan.data.source import Source
from phys_gan.data.writing import leave_out
from phys_gan.errors import DataError
from phys_gan.events import Events

__all__ = ["Survey", "restricted", "survey"]

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
        notes: What of the files is not kept, and what may be mistaken, a sentence each.
        differing: Names of columns that only some of the files have, and are not kept therefore.
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
    notes: Sequence[str] = ()
    differing: Sequence[str] = ()

    @property
    def n_events(self) -> int:
        """Number of events in all files."""
        return sum(self.counts)


def survey(sources: Sequence[Source], how: How, drop: Collection[str] = ()) -> Survey:
    """Open each file once; check its first events.

    Arguments:
        sources: The files.
        how: How to read them.
        drop: Conditions to leave out, ``"overflow"`` and ``"weights"``, where a file has them.

    Raises:
        PhysGanError: A file cannot be read, the files do not go together, or none of them has
            what is to be left out.
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
    firsts = _without(firsts, drop)
    parts = shared(sources, firsts, [reader.optional for reader in readers])
    sample = Events.concatenate(parts)
    differing = {name for events in firsts for name in events.conditions} - set(sample.conditions)
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
        np.concatenate(weights) if sample.weights is not None else None,
        chunks,
        _notes(sources, [reader.notes for reader in readers]),
        sorted(differing),
    )


def restricted(events: Events, sample: Events) -> Events:
    """Return events of one of several files without what the sample of all of them lacks."""
    kept = {name: values for name, values in events.conditions.items() if name in sample.conditions}
    overflow = None if sample.overflow is None else events.overflow
    weights = None if sample.weights is None else events.weights
    if (len(kept), overflow is None, weights is None) == (
        len(events.conditions),
        events.overflow is None,
        events.weights is None,
    ):
        return events
    return replace(events, conditions=kept, overflow=overflow, weights=weights)


def _without(parts: Sequence[Events], drop: Collection[str]) -> list[Events]:
    """Leave out what parts have of the given names; at least one must have each."""
    found: set[str] = set()
    rest = []
    for events in parts:
        has = {*events.conditions}
        has |= {"overflow"} if events.overflow is not None else set()
        has |= {"weights"} if events.weights is not None else set()
        rest.append(leave_out(events, [name for name in drop if name in has]))
        found |= has
    leave_out(parts[0], [name for name in drop if name not in found])
    return rest


def _notes(sources: Sequence[Source], notes: Sequence[Sequence[str]]) -> list[str]:
    """Return the notes on all files, each once; one that is not on all names its file."""
    each = set.intersection(*map(set, notes))
    named = [
        note if note in each else f"'{source.path}': {note}"
        for source, some in zip(sources, notes, strict=True)
        for note in some
    ]
    return list(dict.fromkeys(named))


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
