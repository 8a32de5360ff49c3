"""What GalSim's two COSMOS catalogues say about each galaxy, as conditions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.beside import Beside, Gathering
from phys_gan.data.containers import fits
from phys_gan.data.containers.opening import opened
from phys_gan.data.formats import galaxies
from phys_gan.data.source import Source

__all__ = ["offer_columns", "read_beside"]

_Columns = dict[str, NDArray[np.float64]]

_PIXEL = 0.03
"""Side of a pixel [arcsec] that the lengths in the second catalogue are given in."""

_FIRST = {
    "flux": "stamp_flux",
    "mag": "MAG",
    "ra": "RA",
    "dec": "DEC",
    "noise_variance": "NOISE_VARIANCE",
}
_USED = ("GAL_FILENAME", "GAL_HDU", "PIXEL_SCALE", *_FIRST.values())
_USED_BESIDE = ("zphot", "flux_radius", "sersicfit", "hlr", "fit_status", "mag_auto")
_WEIGHT, _WEIGHTS = "WEIGHT", "weights"
_PSF = ("PSF_FILENAME", "PSF_HDU")
_NO_MAGNITUDE = 90.0


def read_beside(path: Path, table: fits.Table) -> Beside:
    """Return the conditions, weights and notes of a catalogue that another program wrote.

    ``WEIGHT`` is how much a galaxy counts, since large ones fit into fewer stamps.

    Arguments:
        path: The catalogue.
        table: Its table.

    Raises:
        DataError: The catalogue beside it is damaged.
    """
    found = {name: table.numbers(column) for name, column in _FIRST.items() if column in table}
    notes: list[str] = []
    second = _second(path, table, notes)
    if second is not None:
        found |= _measured(second, found)
    missing = {name: found[name] >= _NO_MAGNITUDE for name in ("mag",) if name in found}
    # A redshift or a size below zero stands for a measurement that failed.
    missing |= {name: found[name] < 0 for name in ("zphot", "flux_radius") if name in found}
    kept, lacking = galaxies.complete(found, missing)
    further = Gathering(len(table), kept, "column")
    offer_columns(further, table, (*_USED, *_same_weights(table)))
    if second is not None:
        offer_columns(further, second, (*_USED_BESIDE, *table.columns))
        twice = [name for name in second.columns if name in table and name not in _USED_BESIDE]
        for name in twice:
            if not np.array_equal(second.column(name), table.column(name)):
                further.leave(name, "the first catalogue has another column of this name")
    beside = further.found()
    return replace(beside, notes=(*lacking, *notes, *beside.notes))


def _same_weights(table: fits.Table) -> tuple[str, ...]:
    """Return one of both columns of weights of a file of ours that has lost what it says."""
    if _WEIGHT not in table or _WEIGHTS not in table:
        return ()
    same = np.array_equal(table.column(_WEIGHT), table.column(_WEIGHTS))
    return (_WEIGHT,) if same else ()


def offer_columns(found: Gathering, table: fits.Table, used: Collection[str]) -> None:
    """Offer the columns of a table, but those used; upper and lower case are the same."""
    names = {name.lower() for name in used}
    for name, values in table.columns.items():
        if name.lower() in names:
            continue
        if name.upper() in _PSF:
            found.leave(name, "point spread functions are not read")
        elif name.upper() == "IDENT":
            found.leave(name, "identifiers are no conditions")
        elif values.dtype.kind == "O":
            found.holds(name, "lists of any length")
        else:
            found.offer_values(name, values)


def _second(path: Path, table: fits.Table, notes: list[str]) -> fits.Table | None:
    """Return the table of the catalogue beside, if it is there and of the same galaxies."""
    beside = path.with_name(f"{path.stem}_fits{path.suffix}")
    if not beside.is_file():
        return None
    with opened(Source(beside)) as file:
        second = fits.table(file) if file.container == "FITS" else None
    if second is None or not _alike(table, second):
        notes.append(f"'{beside.name}' holds other galaxies and is not read")
        return None
    return second


def _measured(table: fits.Table, known: _Columns) -> _Columns:
    """Return the conditions from the second catalogue."""
    found = {}
    if "mag" not in known and "mag_auto" in table:
        found["mag"] = table.numbers("mag_auto")
    if "zphot" in table:
        found["zphot"] = table.numbers("zphot")
    if "flux_radius" in table:
        found["flux_radius"] = table.numbers("flux_radius") * _PIXEL
    if "sersicfit" in table:
        # Intensity, radius along the major axis, n, q, boxiness, x0, y0, angle to the x axis.
        fit = table.numbers("sersicfit", 8)
        radius, n, q, beta = fit[:, 1], fit[:, 2], fit[:, 3], fit[:, 7]
        good = (radius > 0) & (n > 0) & (q > 0)
        if "fit_status" in table:
            # GalSim's own test of the fit of one Sersic profile, the last of five.
            status = table.numbers("fit_status", 5)[:, 4]
            good &= (status > 0) & (status < 5)
        hlr = _PIXEL * radius * np.sqrt(np.where(q > 0, q, np.nan))
        if "hlr" in table:
            hlr = table.numbers("hlr", 3)[:, 0]
        fitted = {
            "half_light_radius": hlr,
            "sersic_index": n,
            "axis_ratio": q,
            "position_angle": beta,
        }
        found |= {name: np.where(good, values, np.nan) for name, values in fitted.items()}
    return found


def _alike(first: fits.Table, second: fits.Table) -> bool:
    """Return whether both tables are of the same galaxies in the same order."""
    if len(first) != len(second):
        return False
    if "IDENT" not in first or "IDENT" not in second:
        return True
    return bool(np.array_equal(first.texts("IDENT"), second.texts("IDENT")))
