"""Stamps of galaxies of any size, and how they are put into a window of one size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import fits
from phys_gan.data.containers.damage import damage_reported
from phys_gan.data.formats.fits_images import Image, find_images
from phys_gan.errors import DataError, MissingError

__all__ = ["Stamps", "find_stamps"]

_LONGEST_NAME = 255
"""Bytes; a longer one is no name on any file system."""


@dataclass(frozen=True)
class Stamps:
    """Where the stamps of a catalogue are.

    Attributes:
        paths: The file of each stamp.
        images: Its place in the file.
    """

    paths: list[Path]
    images: list[Image]

    @property
    def largest(self) -> int:
        """Number of rows or columns of the largest stamp."""
        return max(max(image.shape) for image in self.images)

    def read(self, start: int, stop: int, out: NDArray[np.float32]) -> NDArray[np.float32]:
        """Read some stamps into windows.

        Arguments:
            start: Number of the first.
            stop: Number behind the last.
            out: The windows (n, rows, columns).

        Returns:
            The sums of the pixels outside the windows, (n, 1).

        Raises:
            DataError: A file is damaged.
        """
        out[:] = 0
        overflow = np.zeros((stop - start, 1), np.float32)
        first = start
        while first < stop:
            last = first
            with damage_reported("FITS"), self.paths[first].open("rb") as file:
                # Neighbours in the catalogue are mostly in one file.
                while last < stop and self.paths[last] == self.paths[first]:
                    pixels = self.images[last].read(file)
                    overflow[last - start] = _put(pixels, out[last - start])
                    last += 1
            first = last
        return overflow


def _put(stamp: NDArray[np.floating], window: NDArray[np.float32]) -> float:
    """Put a stamp into the middle of a window; return the sum of what lies outside."""
    here, there = [], []
    for n_stamp, n_window in zip(stamp.shape, window.shape, strict=True):
        shift = n_window // 2 - n_stamp // 2
        first, last = max(0, shift), min(n_window, shift + n_stamp)
        here.append(slice(first, last))
        there.append(slice(first - shift, last - shift))
    inside = stamp[there[0], there[1]]
    with np.errstate(over="ignore"):
        window[here[0], here[1]] = inside
    if inside.shape == stamp.shape:
        return 0.0
    return float(stamp.sum(dtype=np.float64) - inside.sum(dtype=np.float64))


def find_stamps(catalogue: Path, table: fits.Table) -> Stamps:
    """Find the stamps that a catalogue names.

    Raises:
        MissingError: A file of stamps is not there.
        DataError: A number is no HDU of its file, or the file is damaged.
    """
    names = table.texts("GAL_FILENAME")
    numbers = table.numbers("GAL_HDU")
    if np.any(numbers < 0) or np.any(numbers != np.rint(numbers)):
        raise DataError(
            f"GAL_HDU is {numbers[(numbers < 0) | (numbers != np.rint(numbers))][0]:g} for a "
            f"galaxy, but must be the number of an HDU",
            remedy="correct the catalogue",
        )
    hdus = numbers.astype(int).tolist()
    wanted: dict[str, list[int]] = {}
    for name, hdu in zip(names, hdus, strict=True):
        wanted.setdefault(name, []).append(hdu)
    found = {}
    for name, there in wanted.items():
        possible = name.isprintable() and len(name.encode()) <= _LONGEST_NAME
        if not possible or Path(name).name != name:
            # A catalogue names what stands beside it, and nothing else is opened.
            raise DataError(
                f"the catalogue '{catalogue}' names the file of stamps {name[:80]!r}, which is no "
                f"name of a file beside it",
                remedy="correct the catalogue",
                value=name,
            )
        path = catalogue.parent / name
        if not name or not path.is_file():
            raise MissingError(
                f"there is no file '{path}', in which the catalogue '{catalogue}' has "
                f"{len(there)} stamps",
                remedy="put it beside the catalogue",
                value=str(path),
            )
        found[name] = find_images(path, there)
    return Stamps(
        [catalogue.parent / name for name in names],
        [found[name][hdu] for name, hdu in zip(names, hdus, strict=True)],
    )
