"""Open a file of events (:func:`opened`) by what its first bytes say; errors name the file.

What a file could do to this process is looked at first: links out of an HDF5 file are refused, as
are heaps that lead the library astray (:mod:`~phys_gan.data.containers.hdf5_probe`), and what a
damaged ROOT file taught uproot is forgotten.
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from phys_gan.data.containers.container import (
    container_of,
    damage_reported,
    damaged,
    writer_mark,
)
from phys_gan.data.containers.hdf5_chunks import Ahead
from phys_gan.data.containers.hdf5_probe import sound_heaps
from phys_gan.data.source import Source
from phys_gan.errors import DataError, MissingError, PhysGanError

_MARKS_BIND = 3
"""The first version of HDF5's superblock in which a mark of a writer keeps readers out."""


@dataclass(frozen=True)
class OpenFile:
    """An open file.

    Arguments:
        path: Where it is.
        container: ``"HDF5"``, ``"ROOT"`` or ``"FITS"``.
        handle: What h5py, uproot or astropy opened.
        tree: The tree that the user named, or empty.
        ahead: Keeps decompressed rows of HDF5 where events are read in order.
    """

    path: Path
    container: str
    handle: Any
    tree: str = ""
    ahead: Ahead | None = None


@contextmanager
def opened(source: Source, ahead: int = 0) -> Iterator[OpenFile]:
    """Open a file; every error of ours that leaves the block names it.

    Arguments:
        source: The file.
        ahead: Bytes that may be decompressed before they are asked for, and kept.

    Raises:
        MissingError: There is no such file.
        DataError: It cannot be read, or is not a data file.
    """
    container = container_of(source.path)
    with naming(source.path):
        if source.tree and container != "ROOT":
            raise DataError(
                f"a file in {container} has no trees",
                remedy=f"leave ':{source.tree}' out",
                value=source.tree,
            )
        try:
            with damage_reported(container):
                handle = _open(source.path, container)
            with handle:
                kept = Ahead(ahead) if ahead and container == "HDF5" else None
                yield OpenFile(source.path, container, handle, source.tree, kept)
        except Exception:
            if container == "ROOT":
                forget_classes()
            raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the name of the file to every error of ours that leaves the block."""
    try:
        yield
    except PhysGanError as error:
        # Names in a damaged file may be anything, also what steers a terminal.
        problem = "".join(
            c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in error.problem
        )
        if str(path) in problem and problem == error.problem:
            raise
        raise type(error)(
            problem if str(path) in problem else f"'{path}': {problem}",
            remedy=error.remedy,
            value=error.value,
            constraint=error.constraint,
        ) from error


def astropy_fits(path: Path) -> Any:
    """Return ``astropy.io.fits``.

    Raises:
        MissingError: It is not installed.
    """
    try:
        from astropy.io import fits
    except ImportError as error:
        raise MissingError(
            f"'{path}' is a FITS file, which needs astropy and GalSim",
            remedy="install them with: pip install 'phys_gan[galaxies]'",
        ) from error
    return fits


def _open(path: Path, container: str) -> Any:
    if container == "HDF5":
        file = _open_hdf5(path)
        try:
            if file.id.get_create_plist().get_sizes()[1] == 8 and not sound_heaps(path):
                raise damaged(container)
            _require_no_other_file(file)
        except BaseException:
            file.close()
            raise
        return file
    if container == "FITS":
        fits = astropy_fits(path)
        from astropy.utils.exceptions import AstropyUserWarning

        # What is damaged shows itself when the table is read, and then as an error of ours.
        with ExitStack() as stack, warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyUserWarning)
            file = stack.enter_context(path.open("rb"))
            # Columns of unsigned numbers become floats, as astropy cannot read all of them (8.0).
            handle = fits.open(file, memmap=True, uint=False)
            # From here on the handle closes the file.
            stack.pop_all()
            return handle
    import uproot

    remember_classes()
    return uproot.open(path, handler=uproot.source.file.MemmapSource)


def _open_hdf5(path: Path) -> Any:
    """Open an HDF5 file; tell one that is being written, or whose writer died, from damage."""
    import h5py

    try:
        return h5py.File(path, "r")
    except BlockingIOError as error:
        raise DataError(
            "another program has the file open for writing",
            remedy="wait until that has closed it",
        ) from error
    except OSError as error:
        if "unable to lock file" in str(error):
            raise DataError(
                "the file system cannot lock the file",
                remedy="set the environment variable HDF5_USE_FILE_LOCKING to FALSE",
            ) from error
        mark = writer_mark(path)
        if not mark:
            raise
        if mark < _MARKS_BIND:
            raise DataError(
                "the program that wrote the file has not closed it, and a part is missing",
                remedy="wait until it has ended, or make the file again if it died",
            ) from error
        raise DataError(
            "the file is marked as open for writing, which it stays when its writer dies",
            remedy="wait until it is closed, or if nothing writes it any more remove the mark: "
            f"h5clear -s {shlex.quote(str(path))}",
        ) from error


def _require_no_other_file(file: Any) -> None:
    """Refuse links into other files, wherever they are, before any is followed."""
    import h5py

    def look(name: bytes, info: Any) -> bytes | None:
        # What is returned ends the visit; h5py cannot pass an exception on.
        return None if info.type in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT) else name

    found = file.id.links.visit(look, info=True)
    if found is not None:
        raise DataError(
            f"'{found.decode(errors='replace')}' is a link into another file",
            remedy="copy what it links to into one file: h5repack --merge "
            f"{shlex.quote(file.filename)} OUT.h5",
        )


@cache
def remember_classes() -> dict[str, tuple[Any, dict[Any, Any] | None]]:
    """Return uproot's classes by name, with their versions, as they are at the first call."""
    import uproot

    found = {}
    for name, cls in uproot.classes.items():
        versions = getattr(cls, "known_versions", None)
        found[name] = (cls, None if versions is None else dict(versions))
    return found


def forget_classes() -> None:
    """Take back what uproot has learned since :func:`remember_classes`.

    A file describes its classes itself, and uproot keeps the descriptions for all later files.
    Those of a damaged file would make it fail on sound ones; those of sound files are learned
    again.
    """
    import uproot

    known = remember_classes()
    for name in uproot.classes.keys() - known.keys():
        del uproot.classes[name]
    for name, (cls, versions) in known.items():
        uproot.classes[name] = cls
        if versions is not None:
            for version in cls.known_versions.keys() - versions.keys():
                del cls.known_versions[version]
            cls.known_versions.update(versions)


def nearest(name: str, names: Sequence[str]) -> str:
    """Return a clause that gives the most similar names, or nothing."""
    matches = get_close_matches(name, names, n=3, cutoff=0.6)
    return f" (nearest: {listing(matches)})" if matches else ""


def listing(names: Sequence[str], limit: int = 8) -> str:
    """Return names in quotes, the first of them where there are many."""
    shown = ", ".join(f"'{name}'" for name in names[:limit])
    more = len(names) - limit
    return f"{shown} and {more} more" if more > 0 else shown or "nothing"
