"""Which container a file is, from its first bytes (:func:`container_of`), and errors for damage.

:func:`damage_reported` turns what h5py, uproot and astropy raise on damage into one sentence.
"""

from __future__ import annotations

import codecs
import re
import shlex
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from phys_gan.errors import DataError, MissingError, PhysGanError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ROOT = b"root"
_FITS = b"SIMPLE  ="
_SUPERBLOCK = 48
"""Bytes that HDF5 files of all versions begin with; even an empty one is longer."""
_ENDINGS = (".h5", ".hdf5", ".root", ".fits")

_PACKED = {
    b"\x1f\x8b": ("gzip", (".gz",), "gunzip -k"),
    b"\x1f\x9d": ("compress", (".Z",), "gunzip -k"),
    b"BZh": ("bzip2", (".bz2",), "bunzip2 -k"),
    b"\xfd7zXZ\x00": ("xz", (".xz",), "unxz -k"),
    b"\x28\xb5\x2f\xfd": ("Zstandard", (".zst",), "unzstd"),
    b"\x04\x22\x4d\x18": ("LZ4", (".lz4",), "unlz4"),
    b"7z\xbc\xaf\x27\x1c": ("7-Zip", (), "7z x"),
    b"PK\x03\x04": ("zip", (), "unzip"),
}
"""First bytes of packed files: their kind, the endings that the command takes, and the command."""

_ARCHIVES = (".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".tar.zst")


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
            if _hdf5_start(file, path.stat().st_size) is not None:
                return "HDF5"
    except FileNotFoundError:
        raise MissingError(
            f"there is no file '{path}'", remedy="check the path", value=str(path)
        ) from None
    except IsADirectoryError:
        there = [entry.suffix for entry in path.iterdir() if entry.suffix in _ENDINGS]
        usual = max(_ENDINGS, key=there.count)
        raise DataError(
            f"'{path}' is a folder",
            remedy=f"name its files, such as '{path}/*{usual}'"
            if there
            else f"name its files (none in it ends in {', '.join(_ENDINGS)})",
        ) from None
    except OSError as error:
        raise DataError(
            f"cannot read '{path}': {error.strerror or error}", remedy="check its permissions"
        ) from error
    if not head:
        raise DataError(f"'{path}' is empty (0 bytes)", remedy="copy or make it again")
    _require_unpacked(path, head)
    try:
        # The last character may have been cut.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        text = "\0"
    is_text = all(c.isprintable() or c.isspace() for c in text)
    what = "text" if is_text else "neither HDF5, ROOT nor FITS"
    raise DataError(
        f"'{path}' is {what}, not a data file",
        remedy="give an HDF5, ROOT or FITS file",
    )


def _hdf5_start(file: BinaryIO, size: int) -> int | None:
    """Return where HDF5 begins: at 0, 512, 1024, 2048, ... bytes, after other content."""
    start = 0
    while start < size:
        file.seek(start)
        if file.read(len(_HDF5)) == _HDF5:
            return start
        start = max(512, 2 * start)
    return None


def _require_unpacked(path: Path, head: bytes) -> None:
    """Refuse compressed files and archives, with the command that unpacks them."""
    found = next((packed for mark, packed in _PACKED.items() if head.startswith(mark)), None)
    if head[257:262] == b"ustar":
        found = ("tar", (), "tar -xf")
    # NumPy's archives are not packed files of events.
    if found is None or path.suffix == ".npz":
        return
    kind, endings, command = found
    name = shlex.quote(str(path))
    if path.name.endswith(_ARCHIVES):
        command = "tar -xf"
    elif endings and path.suffix not in endings:
        # The commands take no other endings, but any input.
        out = path.with_name(f"{path.stem}_unpacked{path.suffix}")
        command, name = command.split()[0], f"-c < {name} > {shlex.quote(str(out))}"
    raise DataError(
        f"'{path}' is packed with {kind}",
        remedy=f"unpack it first: {command} {name}",
        value=kind,
    )


def writer_mark(path: Path) -> int:
    """Return the version of the HDF5 superblock if it shows that the file was not closed, else 0.

    From version 3 on a flag is set while a program writes the file. Older superblocks mostly have
    an end of file before the real one.

    References:
        HDF5 File Format Specification, II.A. "Superblock",
        https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        file.seek(_hdf5_start(file, size) or 0)
        head = file.read(_SUPERBLOCK)
    if len(head) < _SUPERBLOCK:
        return 0
    version = head[8]
    flags, end = (head[11:12], head[28:36]) if version >= 2 else (head[20:24], head[40:48])
    if any(flags):
        return version or 1
    return 1 if int.from_bytes(end, "little") < size else 0


# Where the message of a library turns from what it found to how it got there.
_ASIDE = re.compile(
    r"\.\s|, fix it|,? received \d+ bytes|\s(?:in file|for file path|because|version)\s"
)

# What h5py and uproot raise when they decode bytes that are not what the writer wrote.
_FAILURES: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@contextmanager
def damage_reported(container: str) -> Iterator[None]:
    """Turn what libraries raise on damaged bytes into one sentence; wrap their calls alone.

    Raises:
        DataError: The library could not decode the file.
    """
    try:
        yield
    except PhysGanError:
        raise
    except Exception as error:
        if not isinstance(error, _failures(container)):
            raise
        # What a library says becomes a clause where it is more than a word.
        text = " ".join(_ASIDE.split(str(error).strip(), maxsplit=1)[0].split())
        text = text.strip(" .,:;")[:160]
        raise damaged(container, f" ({text})" if " " in text else "") from error


def damaged(container: str, detail: str = "") -> DataError:
    """Return an error that says that the file is damaged."""
    return DataError(
        f"the {container} file is damaged or cut short{detail}", remedy="copy or make it again"
    )


def _failures(container: str) -> tuple[type[Exception], ...]:
    """Return what a library raises on damaged bytes, once it has raised something."""
    if container == "ROOT":
        import cramjam
        import uproot

        damages = (uproot.deserialization.DeserializationError, cramjam.DecompressionError)
        return (*_FAILURES, *damages)
    if container == "FITS":
        from astropy.io.fits.verify import VerifyError

        return (*_FAILURES, VerifyError)
    return _FAILURES
