"""Open a file by what its first bytes say; errors name it, and the names nearest to one."""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from phys_gan.data.containers.damage import damage_reported, damaged
from phys_gan.data.containers.hdf5_heaps import sound_heaps
from phys_gan.data.containers.root_classes import forget_classes, remember_classes
from phys_gan.data.source import Source
from phys_gan.errors import DataError, MissingError, PhysGanError

__all__ = [
    "OpenFile",
    "astropy_fits",
    "container_of",
    "listing",
    "naming",
    "nearest",
    "opened",
]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ROOT = b"root"
_FITS = b"SIMPLE  ="


@dataclass(frozen=True)
class OpenFile:
    """An open file.

    Arguments:
        path: Where it is.
        container: ``"HDF5"``, ``"ROOT"`` or ``"FITS"``.
        handle: What h5py, uproot or astropy opened.
        tree: The tree that the user named, or empty.
    """

    path: Path
    container: str
    handle: Any
    tree: str = ""


@contextmanager
def opened(source: Source) -> Iterator[OpenFile]:
    """Open a file; every error of ours that leaves the block names it.

    Raises:
        MissingError: There is no such file.
        DataError: It cannot be read, or is no data file.
    """
    container = container_of(source.path)
    with naming(source.path):
        try:
            with damage_reported(container):
                handle = _open(source.path, container)
            with handle:
                yield OpenFile(source.path, container, handle, source.tree)
        except Exception:
            if container == "ROOT":
                forget_classes()
            raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let every error of ours that leaves the block name the file."""
    try:
        yield
    except PhysGanError as error:
        # Names that a damaged file holds may be anything, also what turns a terminal red.
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
    """Return ``astropy.io.fits``, which not everybody has installed.

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
        import h5py

        file = h5py.File(path, "r")
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
            handle = fits.open(file, memmap=True)
            # From here on the handle closes the file.
            stack.pop_all()
            return handle
    import uproot

    remember_classes()
    return uproot.open(path, handler=uproot.source.file.MemmapSource)


def _require_no_other_file(file: Any) -> None:
    """Refuse links into other files, wherever they are, before any is followed.

    Raises:
        DataError: There is one.
    """
    import h5py

    def look(name: bytes, info: Any) -> bytes | None:
        # What is returned ends the visit; h5py cannot pass an exception on.
        return None if info.type in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT) else name

    found = file.id.links.visit(look, info=True)
    if found is not None:
        raise DataError(
            f"'{found.decode(errors='replace')}' is a link into another file",
            remedy="copy what it links to into one file (h5repack)",
        )


def container_of(path: Path) -> str:
    """Return ``"HDF5"``, ``"ROOT"`` or ``"FITS"`` from the first bytes of a file.

    Raises:
        MissingError: There is no such file.
        DataError: It is a folder, is empty, may not be read, or is something else.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            if head.startswith(_ROOT):
                return "ROOT"
            if head.startswith(_FITS):
                return "FITS"
            # HDF5 allows other content in front of it, of 512 bytes or 512 times a power of two.
            size = path.stat().st_size
            start = 0
            while start < size:
                file.seek(start)
                if file.read(len(_HDF5)) == _HDF5:
                    return "HDF5"
                start = max(512, 2 * start)
    except FileNotFoundError:
        raise MissingError(
            f"there is no file '{path}'", remedy="check the path", value=str(path)
        ) from None
    except IsADirectoryError:
        raise DataError(
            f"'{path}' is a folder", remedy=f"name its files, such as '{path}/*.h5'"
        ) from None
    except OSError as error:
        raise DataError(
            f"cannot read '{path}': {error.strerror or error}", remedy="check its permissions"
        ) from error
    if not head:
        raise DataError(f"'{path}' is empty (0 bytes)", remedy="copy or make it again")
    what = "text" if _is_text(head) else "neither HDF5, ROOT nor FITS"
    raise DataError(
        f"'{path}' is {what}, not a data file",
        remedy="give an HDF5, ROOT or FITS file",
    )


def _is_text(head: bytes) -> bool:
    try:
        # The last character may have been cut.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c.isspace() for c in text)


def nearest(name: str, names: Sequence[str]) -> str:
    """Return a clause that gives the most similar names, or nothing."""
    matches = get_close_matches(name, names, n=3, cutoff=0.6)
    return f" (nearest: {listing(matches)})" if matches else ""


def listing(names: Sequence[str], limit: int = 8) -> str:
    """Return names in quotes, the first of them where there are many."""
    shown = ", ".join(f"'{name}'" for name in names[:limit])
    more = len(names) - limit
    return f"{shown} and {more} more" if more > 0 else shown or "nothing"
