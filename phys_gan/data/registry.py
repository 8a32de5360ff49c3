"""The layouts that phys_gan knows, and which of them a file has."""

from __future__ import annotations

from phys_gan.data.containers import hdf5, root
from phys_gan.data.containers.opening import OpenFile, listing, nearest
from phys_gan.data.format import Format
from phys_gan.data.formats.calochallenge_hdf5 import CaloChallengeHDF5
from phys_gan.data.formats.caloclouds_hdf5 import CaloCloudsHDF5
from phys_gan.data.formats.calogan_hdf5 import CaloGanHDF5
from phys_gan.data.formats.calogan_root import CaloGanROOT
from phys_gan.data.formats.cosmos_fits import CosmosFITS
from phys_gan.data.formats.edm4hep_root import EDM4hepROOT
from phys_gan.data.formats.galaxiesml_hdf5 import GalaxiesMLHDF5
from phys_gan.data.formats.galaxy10_hdf5 import Galaxy10HDF5
from phys_gan.data.formats.hits_root import HitsROOT
from phys_gan.data.formats.par04_hdf5 import Par04HDF5
from phys_gan.data.formats.par04_root import Par04ROOT
from phys_gan.data.formats.showerdata_hdf5 import ShowerDataHDF5
from phys_gan.data.formats.toys_hdf5 import ToysHDF5
from phys_gan.errors import DataError, MissingError

__all__ = ["FORMATS", "find_format", "recognise"]

FORMATS: dict[str, Format] = {
    format_.name: format_
    # Of several layouts that can hold the same events, the first is written.
    for format_ in (
        CaloGanHDF5(),
        CaloGanROOT(),
        HitsROOT(),
        EDM4hepROOT(),
        ToysHDF5(),
        CaloChallengeHDF5(),
        Galaxy10HDF5(),
        GalaxiesMLHDF5(),
        CosmosFITS(),
        Par04ROOT(),
        Par04HDF5(),
        ShowerDataHDF5(),
        CaloCloudsHDF5(),
    )
}
"""The layouts by name."""


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


def recognise(file: OpenFile, chosen: Format | None = None, mapped: bool = False) -> Format:
    """Return the layout of an open file, from its content.

    Arguments:
        file: The open file.
        chosen: The layout that the user named, which is then not questioned.
        mapped: Whether the user says where the hits are: layouts of hits then come first, and a
            ROOT file of no known layout is a tree of hits.

    Raises:
        DataError: The file is in another container than the chosen layout, or has no events.
        MissingError: No layout has the data sets or trees of this file.
    """
    if chosen is not None:
        if chosen.container != file.container:
            raise DataError(
                f"'{file.path}' is a {file.container} file, but format '{chosen.name}' is "
                f"{chosen.container}",
                remedy="leave the format out, or name another",
                value=file.container,
                constraint=chosen.container,
            )
        return chosen
    for format_ in sorted(FORMATS.values(), key=lambda one: mapped and not one.has_hits):
        if format_.recognises(file):
            return format_
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
