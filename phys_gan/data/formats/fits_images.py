"""FITS images that are one HDU each: find, read and write many of them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.container import container_of
from phys_gan.data.containers.damage import damage_reported
from phys_gan.errors import DataError

__all__ = ["Image", "Images", "find_images"]

_BLOCK = 2880
_CARD = 80
_KEYS = (
    *(b"XTENSION", b"BITPIX", b"PCOUNT", b"GCOUNT"),
    *(b"BSCALE", b"BZERO", b"BLANK", b"ZIMAGE"),
)
_TYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


@dataclass(frozen=True)
class Image:
    """Where one image of a file is.

    Attributes:
        offset: Its first byte.
        shape: Rows and columns.
        dtype: Type in which its pixels are stored.
        scale: What they are multiplied with ...
        zero: ... and what is added then.
        blank: The stored whole number that stands for a pixel without a value, if there is one.
    """

    offset: int
    shape: tuple[int, int]
    dtype: str
    scale: float = 1.0
    zero: float = 0.0
    blank: int | None = None

    def read(self, file: BinaryIO) -> NDArray[Any]:
        """Read the pixels, of shape ``shape``, from the open file; NaN where there is no value.

        astropy does the same, but overlooks a blank of 0 in scaled images, and any in unsigned
        ones (8.0).
        """
        file.seek(self.offset)
        count = self.shape[0] * self.shape[1]
        data = file.read(count * np.dtype(self.dtype).itemsize)
        stored = np.frombuffer(data, self.dtype, count).reshape(self.shape)
        scaled = (self.scale, self.zero) != (1.0, 0.0)
        values = stored * self.scale + self.zero if scaled else stored
        if self.blank is None:
            return values
        undefined = stored == self.blank
        return np.where(undefined, np.nan, values) if undefined.any() else values


def find_images(path: Path, numbers: Sequence[int]) -> dict[int, Image]:
    """Find the images that are these HDUs of a file.

    astropy reads the few cards that matter: that is ten times as fast as to have it read whole
    headers, and a file may hold thousands of stamps.

    Arguments:
        path: The file.
        numbers: Numbers of HDUs; the primary one is 0.

    Raises:
        MissingError: There is no such file.
        DataError: It is no FITS file, is cut short, has fewer HDUs, or one of them is no plain
            image.
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
    """Read a header to its end; return the values that tell of the size and type of the data."""
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
    """Write images of one shape, an HDU each, behind an empty primary one.

    Arguments:
        path: The file.
        shape: Rows and columns.
    """

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        from astropy.io import fits

        self._path, self._shape, self._n_hdus = path, shape, 1
        cards = [("XTENSION", "IMAGE"), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", shape[1])]
        cards += [("NAXIS2", shape[0]), ("PCOUNT", 0), ("GCOUNT", 1)]
        self._head = np.frombuffer(fits.Header(cards).tostring(padding=True).encode(), np.uint8)
        path.write_bytes(fits.PrimaryHDU().header.tostring(padding=True).encode())

    def add(self, cells: NDArray[np.float32]) -> NDArray[np.int64]:
        """Append images (n, n_pixels); return their HDUs, (n,).

        Raises:
            OSError: The disk is full.
        """
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
