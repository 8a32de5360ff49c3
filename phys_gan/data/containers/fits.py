"""FITS: tables, and what a file says about itself."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.damage import damage_reported, damaged
from phys_gan.data.containers.opening import OpenFile, listing, nearest
from phys_gan.data.metadata import Metadata, from_texts
from phys_gan.errors import DataError, MissingError

__all__ = ["Table", "metadata", "table", "write_table"]

_TEXTS = "PHYS_GAN"
_BLOCK = 2880


@contextmanager
def _astropy() -> Iterator[None]:
    """Keep astropy's warnings from the user: damage is reported as an error of ours."""
    from astropy.utils.exceptions import AstropyUserWarning

    with damage_reported("FITS"), warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)
        warnings.filterwarnings("error", ".*truncated.*", AstropyUserWarning)
        try:
            yield
        except AstropyUserWarning as warning:
            raise OSError(str(warning)) from warning


class Table:
    """The columns of a binary table; upper and lower case of their names are the same.

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
    """Read the first binary table of a file; None where there is none.

    Raises:
        DataError: The file is damaged.
    """
    from astropy.io import fits

    with _astropy():
        for hdu in file.handle:
            if isinstance(hdu, fits.BinTableHDU) and not isinstance(hdu, fits.CompImageHDU):
                _require_once(hdu.columns.names)
                columns = {column.name: _values(hdu.data, column) for column in hdu.columns}
                return Table(file.path, columns)
    if file.path.stat().st_size % _BLOCK:
        # astropy passes over a header that is cut short.
        raise damaged("FITS")
    return None


def _values(data: Any, column: Any) -> NDArray[Any]:
    """Return a copy of a column, as the file may be closed before it is used.

    Whole numbers that stand for none (``TNULL``) are NaN, also in columns that are scaled, where
    ``astropy.table`` looks for them among the scaled numbers.
    """
    values = np.array(data[column.name])
    if column.null is None or values.dtype.kind not in "fiu":
        return values
    stored = data.view(np.ndarray)[column.name].reshape(values.shape)
    undefined = stored == column.null
    return np.where(undefined, np.nan, values) if undefined.any() else values


def _require_once(names: Sequence[str]) -> None:
    lower = [name.lower() for name in names]
    twice = [name for name in names if lower.count(name.lower()) > 1]
    if twice:
        raise DataError(
            f"the table has the column '{twice[0]}' twice (upper and lower case are the same)",
            remedy="rename one of them",
            value=twice[0],
        )


def metadata(file: OpenFile) -> Metadata | None:
    """Return what a file of ours says about itself; None for any other file.

    Raises:
        DataError: The file is damaged.
    """
    with _astropy():
        if _TEXTS not in file.handle:
            if _TEXTS in file.handle[0].header:
                raise damaged("FITS")
            return None
        texts = json.loads(np.asarray(file.handle[_TEXTS].data, np.uint8).tobytes())
        texts = {str(name): str(text) for name, text in texts.items()}
    return from_texts(texts, str(file.path))


def write_table(path: Path, columns: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> None:
    """Write a file with a binary table, and what it says about itself in an HDU behind it.

    Raises:
        OSError: The disk is full.
    """
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
    hdus = [
        fits.PrimaryHDU(),
        fits.BinTableHDU.from_columns(made),
        fits.ImageHDU(said, name=_TEXTS),
    ]
    # Without its last HDU a file that is cut short would be taken for one of another program.
    hdus[0].header[_TEXTS] = (len(said), "bytes in the HDU of this name")
    fits.HDUList(hdus).writeto(path, overwrite=True)
