"""Read files into events: :func:`read`, on :func:`open_events` and the layouts in ``FORMATS``.

The layout of a file is recognised by its content. :class:`How` holds what the user prescribes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5, root
from phys_gan.data.containers.opening import OpenFile, listing, nearest, opened
from phys_gan.data.format import Format, HitMapping, Reader, load_mapping
from phys_gan.data.formats import FORMATS
from phys_gan.data.metadata import check_units
from phys_gan.data.source import Paths, Source, find_sources
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DataError, MissingError
from phys_gan.events import Events
from phys_gan.units import find_particle


@dataclass(frozen=True)
class How:
    """How to read files: detector, layout and mapping of hits, None where the file decides."""

    detector: Detector | None = None
    format: Format | None = None
    mapping: HitMapping | None = None

    @classmethod
    def of(
        cls,
        detector: str | Path | Detector | None = None,
        format: str | None = None,
        mapping: str | Path | HitMapping | None = None,
    ) -> How:
        """Load what names and paths stand for; arguments and errors as in :func:`read`."""
        how = cls(
            None if detector is None else load_detector(detector),
            None if format is None else find_format(format),
            None if mapping is None else load_mapping(mapping),
        )
        if how.mapping and how.format and not how.format.has_hits:
            raise ConfigError(
                f"format '{how.format.name}' holds cells, not hits", remedy="leave the mapping out"
            )
        return how


def read(
    paths: Paths,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | HitMapping | None = None,
) -> Events:
    """Read the events of one or several files, in order.

    Files of different particles get the condition ``pdg``, from what a file says about its incident
    particle, or the user (``"photons.h5@gamma"``). The energy outside the cells is kept when every
    file knows it, and so are columns of other programs beside their layout. :func:`inspect` tells
    what of a file is not kept.

    Arguments:
        paths: A file or several; each may be a pattern (``"runs/*.h5"``), and may name a tree
            (``"file.root:tree"``) and a particle (``"file.h5@e+"``).
        detector: The detector; by default the one that the file carries or that its layout and
            number of cells imply.
        format: Name of the layout; by default recognised by the content of each file.
        mapping: Where the hits and conditions are, as a TOML file: for trees with names of their
            own, and for hits that must be turned into the frame of the shower.

    Returns:
        The events, energies in MeV.

    Raises:
        MissingError: A file, data set, tree or branch does not exist.
        DataError: A file is damaged, empty, no data file, or its values make no sense.
        DetectorError: The events belong to another detector, or to one that must be named.
        ConfigError: The mapping is wrong.

    Example:
        >>> read("datasets/geant4_calogan_eplus.h5")
        Events(5000 x 504 cells, calogan, energy)
    """
    how, sources = How.of(detector, format, mapping), find_sources(paths)
    parts, optional = [], []
    for source in sources:
        with open_events(source, how) as (reader, layout):
            events = reader.read()
            check(events, reader, layout)
        parts.append(events)
        optional.append(reader.optional)
    numbers = particle_numbers(sources, parts)
    parts = [with_pdg(part, number) for part, number in zip(parts, numbers, strict=True)]
    parts = shared(sources, parts, optional)
    return parts[0] if len(parts) == 1 else Events.concatenate(parts)


@contextmanager
def open_events(source: Source, how: How, ahead: int = 0) -> Iterator[tuple[Reader, Format]]:
    """Open a file to read its events, some or all; yield a reader of them, and the layout.

    Arguments:
        source: The file.
        how: How to read it.
        ahead: Bytes that may be kept where events are read in order.

    Raises:
        PhysGanError: As in :func:`read`; the message names the file.
    """
    with opened(source, ahead) as file:
        try:
            layout = _recognise(file, how)
            # A condition that overflows becomes infinite, which no events may have.
            with np.errstate(over="ignore", invalid="ignore"):
                reader = layout.reader(file, how.detector, how.mapping)
            if not len(reader):
                raise DataError("it holds no events", remedy="check the job that made it")
            if file.container == "HDF5":
                chunks = partial(hdf5.compressed, file.handle, len(reader))
                reader = replace(reader, compressed=chunks)
            yield reader, layout
        except MemoryError as error:
            raise DataError(
                "its events do not fit into memory",
                remedy="split the file, stream it (phys_gan.data.stream), or use a larger machine",
            ) from error


def find_format(name: str) -> Format:
    """Return the layout of this name.

    Raises:
        MissingError: There is none; the message lists those there are.
    """
    try:
        return FORMATS[name]
    except KeyError:
        raise MissingError(
            f"'{name}' is not a format; available: {', '.join(FORMATS)}",
            remedy="name one of these",
            value=name,
            constraint=tuple(FORMATS),
        ) from None


def _recognise(file: OpenFile, how: How) -> Format:
    """Return the layout of an open file: that which the user named, or the one of its content.

    With a mapping, layouts of hits come first, and any other ROOT file is a tree of hits.
    """
    if how.format is not None:
        if how.format.container != file.container:
            raise DataError(
                f"'{file.path}' is a {file.container} file, but format '{how.format.name}' is "
                f"{how.format.container}",
                remedy="leave the format out, or name another",
                value=file.container,
                constraint=how.format.container,
            )
        return how.format
    mapped = how.mapping is not None
    for layout in sorted(FORMATS.values(), key=lambda one: mapped and not one.has_hits):
        if layout.container == file.container and layout.recognises(file):
            return layout
    if mapped and file.container == "ROOT":
        return FORMATS["hits-root"]
    raise _no_layout(file)


def _no_layout(file: OpenFile) -> MissingError:
    """Return an error that says what is there and what the most similar layout lacks."""
    if file.container == "HDF5":
        names = list(hdf5.data_sets(file))
        holds = f"the data sets {listing(names)}" if names else "no data set"
        declared = hdf5.metadata(file).format
        remedy = "rename or convert them"
    else:
        trees = root.trees(file)
        names = [name for tree in trees.values() for name in root.without_counts(tree)]
        holds = f"the trees {listing(list(trees))} with the branches {listing(names)}"
        holds = holds if trees else "no tree"
        declared = root.metadata(file).format
        remedy = "rename or convert them, or say in a mapping where hits are (docs/formats.md)"
    candidates = [layout for layout in FORMATS.values() if layout.container == file.container]
    similar = max(candidates, key=lambda one: (one.name == declared, _similarity(one, names)))
    lacks = [need for need in similar.needs if need not in names]
    if not lacks:
        wants = "phys_gan does not know which layout they have"
    elif _similarity(similar, names):
        wants = f"'{similar.name}' needs " + ", ".join(f"'{n}'{nearest(n, names)}" for n in lacks)
    else:
        wants = f"phys_gan knows {', '.join(layout.name for layout in candidates)}"
    return MissingError(
        f"'{file.path}' has no layout that phys_gan reads: it holds {holds}; {wants}",
        remedy=remedy if names else "check the job that made it",
        value=tuple(names),
        constraint=similar.needs,
    )


def _similarity(layout: Format, names: list[str]) -> float:
    """Return how much of what the layout needs is there, exactly (2) or nearly (1) so named."""
    points = [2 if n in names else 1 if nearest(n, names) else 0 for n in layout.needs]
    return sum(points) / len(points)


def check(events: Events, reader: Reader, layout: Format) -> None:
    """Check that the units are right, and that the hits lie in the detector.

    Raises:
        DataError: E_tot/E_inc is far from what the detector describes, or every hit misses.
    """
    if reader.voxelised and not events.cells.any() and events.overflow is not None:
        outside = float(events.overflow.sum(dtype=np.float64))
        if outside > 0:
            raise DataError(
                f"all hits ({outside:.4g} {events.detector.cell_unit} in {len(events)} events) lie "
                f"outside the cells of '{events.detector.name}'",
                remedy="name another detector, or give the frame of the shower in a mapping "
                "(docs/formats.md)",
                value=outside,
            )
    check_units(events, layout.energy_unit, reader.hit_unit)


def particle_numbers(
    sources: Sequence[Source], files: Sequence[Events | Reader]
) -> list[int | None]:
    """Return the PDG number that the events of each file get as a condition; None for none.

    Raises:
        DataError: Particles are mixed, and one file does not say which it has; or the user named
            the particle of a file that has the condition.
    """
    missing = ["pdg" not in file.conditions for file in files]
    said = [
        source.particle or file.provenance.get("particle", "")
        for source, file in zip(sources, files, strict=True)
    ]
    named = any(source.particle for source in sources)
    mixed = len({text for text in said if text}) > 1 or not all(missing)
    numbers: list[int | None] = []
    for source, text, needed in zip(sources, said, missing, strict=True):
        if source.particle and not needed:
            raise DataError(
                f"'{source.path}' says of each event which particle it began with",
                remedy=f"leave '@{source.particle}' out",
            )
        if needed and (named or mixed):
            if not text:
                raise DataError(
                    f"'{source.path}' does not say which particle its events began with, and other "
                    f"files do",
                    remedy=f"name it, such as '{replace(source, particle='gamma')}'",
                )
            numbers.append(find_particle(text).pdg)
        else:
            numbers.append(None)
    return numbers


def shared(
    sources: Sequence[Source], parts: Sequence[Events], optional: Sequence[Collection[str]]
) -> list[Events]:
    """Return events of several files without the optional conditions that only some have.

    Arguments:
        sources: The files.
        parts: Events of each.
        optional: Which of their conditions can be left out, as :class:`Reader` says.

    Raises:
        DataError: Some have weights and others do not.
    """
    weighted = [part.weights is not None for part in parts]
    if any(weighted) and not all(weighted):
        some, others = (sources[weighted.index(has)].path for has in (True, False))
        raise DataError(
            f"cannot join events with weights ('{some}') and events without ('{others}')",
            remedy="give all of them weights (1 where all count the same), or leave them out of "
            "all with phys-gan convert --drop weights",
        )
    common = set.intersection(*(set(part.conditions) for part in parts))
    return [
        without(part, [n for n in part.conditions if n in may and n not in common])
        for part, may in zip(parts, optional, strict=True)
    ]


def with_pdg(events: Events, number: int | None) -> Events:
    """Return the events with the condition ``pdg``, where there is a number."""
    if number is None:
        return events
    conditions: dict[str, NDArray[np.float64]] = dict(events.conditions)
    conditions["pdg"] = np.full(len(events), float(number))
    return replace(events, conditions=conditions)


def columns_of(events: Events) -> set[str]:
    """Return the names of what the events have: conditions, ``"overflow"`` and ``"weights"``."""
    beside = {"overflow": events.overflow, "weights": events.weights}
    return {*events.conditions, *(name for name, values in beside.items() if values is not None)}


def without(events: Events, names: Collection[str]) -> Events:
    """Return the events without these of :func:`columns_of`."""
    if not names:
        return events
    return replace(
        events,
        conditions={name: v for name, v in events.conditions.items() if name not in names},
        overflow=None if "overflow" in names else events.overflow,
        weights=None if "weights" in names else events.weights,
    )
