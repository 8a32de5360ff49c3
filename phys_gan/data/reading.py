"""Files to events."""

from __future__ import annotations

from pathlib import Path

from phys_gan.data.container import opened
from phys_gan.data.format import Format
from phys_gan.data.registry import find_format, recognise
from phys_gan.data.source import Paths, Source, find_sources
from phys_gan.data.units import check_units
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError
from phys_gan.events import Events

__all__ = ["read", "read_source"]


def read(
    paths: Paths, detector: str | Path | Detector | None = None, format: str | None = None
) -> Events:
    """Read the events of one or several files, in order.

    Arguments:
        paths: A file or several; each may be a pattern (``"runs/*.h5"``) and may name a tree
            (``"file.root:tree"``).
        detector: The detector; by default the one that the file carries or that its layout and
            number of cells tell.
        format: Name of the layout; by default the content of each file tells.

    Returns:
        The events, energies in MeV.

    Raises:
        MissingError: A file, data set, tree or branch does not exist.
        DataError: A file is damaged, empty, no data file, or its values make no sense.
        DetectorError: The events belong to another detector, or to one that must be named.

    Example:
        >>> read("datasets/geant4_calogan_eplus.h5")
        Events(5000 x 504 cells, calogan, energy)
    """
    wanted = None if detector is None else load_detector(detector)
    chosen = None if format is None else find_format(format)
    parts = [read_source(source, wanted, chosen)[0] for source in find_sources(paths)]
    return parts[0] if len(parts) == 1 else Events.concatenate(parts)


def read_source(
    source: Source, detector: Detector | None, chosen: Format | None
) -> tuple[Events, Format]:
    """Read the events of one file; return the layout that it has beside them."""
    with opened(source) as file:
        format_ = recognise(file, chosen)
        try:
            events = format_.read(file, detector)
        except MemoryError as error:
            raise DataError(
                "its events do not fit into memory",
                remedy="split the file, or use a larger machine",
            ) from error
        if not len(events):
            raise DataError("it holds no events", remedy="check the job that made it")
        check_units(events, format_.energy_unit)
    return events, format_
