"""FITS: tables, what a file says about itself, and files of many images of one HDU each.

astropy reads and writes tables, makes headers and reads cards. Three things are done here:

* Images are found by the few cards that matter, 40 microseconds each where astropy takes 1.4 ms to
  read a header, and written as headers and pixels in one block, 0.13 ms each where astropy takes
  3.3 ms: there are 10^5 stamps in COSMOS (astropy 8.0).
* Blank pixels (``BLANK``) are NaN: astropy overlooks a blank of 0 in scaled images, and any in
  unsigned ones.
* Whole numbers of tables that stand for none (``TNULL``) are NaN, also in scaled columns, where
  ``astropy.table`` looks for them among the scaled numbers.
"""

from __future__ import annotations

import json
import math
import shlex
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.container import container_of, damage_reported, damaged
from phys_gan.data.containers.opening import OpenFile, listing, nearest
from phys_gan.data.metadata import Metadata, from_texts
from phys_gan.errors import DataError, MissingError

_TEXTS = "PHYS_GAN"
_BLOCK = 2880


@contextmanager
def _astropy() -> Iterator[None]:
    """Report damage as an error of ours instead of astropy's warnings."""
    from astropy.utils.exceptions import AstropyUserWarning

    with damage_reported("FITS"), warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)
        warnings.filterwarnings("error", ".*truncated.*", AstropyUserWarning)
        try:
            yield
        except AstropyUserWarning as warning:
            raise OSError(str(warning)) from warning


class Table:
    """The columns of a binary table; the case of their names does not matter.

    Arguments:
        path: The file, for messages.
        columns: The columns by name.
    """

    def __init__(self, path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
        self.path = path
        self.columns = dict(columns)
        self._names = {name.lower(): name for name in columns}

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._names

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def column(self, name: str) -> NDArray[Any]:
        """Return a column.

        Raises:
            MissingError: There is none of this name.
        """
        if name not in self:
            names = list(self.columns)
            hint = nearest(name, names) or nearest(name.lower(), list(self._names))
            raise MissingError(
                f"'{self.path}' has no column '{name}'{hint}; it holds {listing(names)}",
                remedy="add the column, or name another file",
                value=name,
            )
        return self.columns[self._names[name.lower()]]

    def numbers(self, name: str, n_values: int = 1) -> NDArray[np.float64]:
        """Return a column of numbers, (N,), or (N, n_values) where there are several each.

        Raises:
            MissingError: There is none of this name.
            DataError: It holds something else.
        """
        values = self.column(name)
        shape = (len(self), n_values)
        if values.dtype.kind not in "fiub" or values.size != len(self) * n_values:
            raise DataError(
                f"column '{name}' of '{self.path}' does not hold "
                f"{'a number' if n_values == 1 else f'{n_values} numbers'} per galaxy",
                remedy="correct the table",
                value=name,
            )
        numbers = values.astype(np.float64)
        return numbers.reshape(-1) if n_values == 1 else numbers.reshape(shape)

    def texts(self, name: str) -> list[str]:
        """Return a column of texts without spaces at their ends."""
        return [str(text).strip() for text in self.column(name)]


def table(file: OpenFile) -> Table | None:
    """Read the first binary table of a file; None where there is none."""
    from astropy.io import fits

    with _astropy():
        for hdu in file.handle:
            if isinstance(hdu, fits.BinTableHDU) and not isinstance(hdu, fits.CompImageHDU):
                lower = [name.lower() for name in hdu.columns.names]
                for name in hdu.columns.names:
                    if lower.count(name.lower()) > 1:
                        raise DataError(
                            f"the table has the column '{name}' twice (upper and lower case are "
                            f"the same)",
                            remedy="rename one of them",
                            value=name,
                        )
                columns = {column.name: _values(hdu.data, column) for column in hdu.columns}
                return Table(file.path, columns)
    if file.path.stat().st_size % _BLOCK:
        # astropy passes over a header that is cut short.
        raise damaged("FITS")
    return None


def _values(data: Any, column: Any) -> NDArray[Any]:
    """Return a copy of a column, as the file may be closed before it is used."""
    values = np.array(data[column.name])
    if column.null is None or values.dtype.kind not in "fiu":
        return values
    stored = data.view(np.ndarray)[column.name].reshape(values.shape)
    return _with_gaps(values, stored == column.null)


def _with_gaps(values: NDArray[Any], undefined: NDArray[np.bool_]) -> NDArray[Any]:
    return np.where(undefined, np.nan, values) if undefined.any() else values


def metadata(file: OpenFile) -> Metadata | None:
    """Return what a file of ours says about itself; None for any other file."""
    with _astropy():
        if _TEXTS not in file.handle:
            if _TEXTS in file.handle[0].header:
                raise damaged("FITS")
            return None
        texts = json.loads(np.asarray(file.handle[_TEXTS].data, np.uint8).tobytes())
        texts = {str(name): str(text) for name, text in texts.items()}
    return from_texts(texts, str(file.path))


def write_table(path: Path, columns: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> None:
    """Write a file with a binary table, and what it says about itself in a second HDU."""
    from astropy.io import fits

    code = {"f8": "D", "f4": "E", "i8": "K"}
    made = [
        fits.Column(
            name=name,
            format=f"{values.dtype.itemsize}A"
            if values.dtype.kind == "S"
            else code[values.dtype.str[1:]],
            array=values,
        )
        for name, values in columns.items()
    ]
    said = np.frombuffer(json.dumps(dict(texts)).encode(), np.uint8)
    primary = fits.PrimaryHDU()
    # Without its last HDU a file that is cut short would be taken for one of another program.
    primary.header[_TEXTS] = (len(said), "bytes in the HDU of this name")
    hdus = [primary, fits.BinTableHDU.from_columns(made), fits.ImageHDU(said, name=_TEXTS)]
    fits.HDUList(hdus).writeto(path, overwrite=True)


_CARD = 80
_KEYS = (
    *(b"XTENSION", b"BITPIX", b"PCOUNT", b"GCOUNT"),
    *(b"BSCALE", b"BZERO", b"BLANK", b"ZIMAGE"),
)
_TYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


@dataclass(frozen=True)
class Image:
    """Where one image of a file is: pixels are ``zero + scale * stored``.

    Attributes:
        offset: Its first byte.
        shape: Rows and columns.
        dtype: Type in which its pixels are stored.
        scale: ``BSCALE``.
        zero: ``BZERO``.
        blank: The stored whole number of a pixel without a value, if there is one.
    """

    offset: int
    shape: tuple[int, int]
    dtype: str
    scale: float = 1.0
    zero: float = 0.0
    blank: int | None = None

    def read(self, file: BinaryIO) -> NDArray[Any]:
        """Read the pixels, of shape ``shape``, from the open file; NaN where there is no value."""
        file.seek(self.offset)
        count = self.shape[0] * self.shape[1]
        data = file.read(count * np.dtype(self.dtype).itemsize)
        stored = np.frombuffer(data, self.dtype, count).reshape(self.shape)
        scaled = (self.scale, self.zero) != (1.0, 0.0)
        values = stored * self.scale + self.zero if scaled else stored
        return values if self.blank is None else _with_gaps(values, stored == self.blank)


def find_images(path: Path, numbers: Sequence[int]) -> dict[int, Image]:
    """Find the images that are these HDUs of a file, counted from 0, the primary one.

    Raises:
        MissingError: There is no such file.
        DataError: It is not a FITS file, is cut short, has fewer HDUs, or one of them is not a
            plain image.
    """
    if (container := container_of(path)) != "FITS":
        raise DataError(
            f"'{path}' is a {container} file, but stamps are in FITS files",
            remedy="correct GAL_FILENAME in the catalogue",
            value=container,
        )
    wanted, found = set(numbers), {}
    with damage_reported("FITS"), path.open("rb", buffering=0) as file:
        size, last = path.stat().st_size, max(wanted, default=-1)
        hdu = 0
        while hdu <= last and file.tell() < size:
            cards = _header(file, path, hdu)
            start = file.tell()
            axes = [int(cards[b"NAXIS%d" % n]) for n in range(1, cards[b"NAXIS"] + 1)]
            n_values = math.prod(axes) if axes else 0
            groups, extra = cards.get(b"GCOUNT", 1), cards.get(b"PCOUNT", 0)
            n_bytes = abs(cards[b"BITPIX"]) // 8 * groups * (extra + n_values)
            if start + n_bytes > size:
                raise _cut_short(path, hdu)
            if hdu in wanted:
                found[hdu] = _image(path, hdu, cards, axes, start)
            file.seek(start + -(-n_bytes // _BLOCK) * _BLOCK)
            hdu += 1
    if wanted - set(found):
        first = min(wanted - set(found))
        raise DataError(
            f"'{path}' has no HDU {first}: it has {hdu}",
            remedy="correct GAL_HDU in the catalogue, or copy the file again",
            value=first,
            constraint=hdu,
        )
    return found


def _header(file: BinaryIO, path: Path, hdu: int) -> dict[bytes, Any]:
    """Read a header to its end; return the values on the size and type of the data."""
    cards: dict[bytes, Any] = {}
    while True:
        block = file.read(_BLOCK)
        if len(block) < _BLOCK:
            raise _cut_short(path, hdu)
        for start in range(0, _BLOCK, _CARD):
            key = block[start : start + 8].rstrip()
            if key == b"END":
                return cards
            if key in _KEYS or key.startswith(b"NAXIS"):
                # Of a keyword that is there twice, the first counts.
                cards.setdefault(key, _value(block[start : start + _CARD]))


@lru_cache(1 << 10)
def _value(card: bytes) -> Any:
    """Return what a card says; the same cards stand in the headers of all stamps."""
    from astropy.io.fits import Card

    return Card.fromstring(card).value


def _image(path: Path, hdu: int, cards: Mapping[bytes, Any], axes: list[int], start: int) -> Image:
    if cards.get(b"ZIMAGE") is True:
        raise DataError(
            f"HDU {hdu} of '{path}' is a compressed image",
            remedy=f"unpack the file: funpack {shlex.quote(str(path))}",
            value=hdu,
        )
    if cards.get(b"XTENSION", "IMAGE") != "IMAGE" or len(axes) != 2:
        raise DataError(
            f"HDU {hdu} of '{path}' is not an image of rows and columns",
            remedy="correct GAL_HDU in the catalogue",
            value=hdu,
        )
    blank = cards.get(b"BLANK")
    return Image(
        offset=start,
        shape=(axes[1], axes[0]),
        dtype=_TYPES[cards[b"BITPIX"]],
        scale=float(cards.get(b"BSCALE", 1)),
        zero=float(cards.get(b"BZERO", 0)),
        # Only whole numbers can be blank; others are NaN where they have no value.
        blank=blank if cards[b"BITPIX"] > 0 and isinstance(blank, int) else None,
    )


def _cut_short(path: Path, hdu: int) -> DataError:
    return DataError(
        f"'{path}' is damaged or cut short in HDU {hdu}", remedy="copy or make it again", value=hdu
    )


class Images:
    """Write images of one shape (rows, columns), an HDU each, after an empty primary one."""

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        from astropy.io import fits

        self._path, self._shape, self._n_hdus = path, shape, 1
        cards = [("XTENSION", "IMAGE"), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", shape[1])]
        cards += [("NAXIS2", shape[0]), ("PCOUNT", 0), ("GCOUNT", 1)]
        self._head = np.frombuffer(fits.Header(cards).tostring(padding=True).encode(), np.uint8)
        path.write_bytes(fits.PrimaryHDU().header.tostring(padding=True).encode())

    def add(self, cells: NDArray[np.float32]) -> NDArray[np.int64]:
        """Append images (n, n_pixels); return their HDUs, (n,)."""
        pixels = np.ascontiguousarray(cells, ">f4").view(np.uint8)
        used = len(self._head) + pixels.shape[1]
        hdus = np.zeros((len(cells), -(-used // _BLOCK) * _BLOCK), np.uint8)
        hdus[:, : len(self._head)] = self._head
        hdus[:, len(self._head) : used] = pixels
        with self._path.open("ab") as file:
            file.write(hdus.data)
        first = self._n_hdus
        self._n_hdus += len(cells)
        return np.arange(first, self._n_hdus)
