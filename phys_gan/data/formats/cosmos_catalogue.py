"""What GalSim's two COSMOS catalogues say about each galaxy, as conditions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import fits
from phys_gan.data.containers.opening import listing, opened
from phys_gan.data.formats import galaxies
from phys_gan.data.source import Source

__all__ = ["conditions_of"]

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
_USED = ("IDENT", "GAL_FILENAME", "GAL_HDU", "PIXEL_SCALE", *_FIRST.values())
_USED_BESIDE = ("IDENT", "zphot", "flux_radius", "sersicfit", "hlr", "fit_status", "mag_auto")
_NO_MAGNITUDE = 90.0


def conditions_of(path: Path, table: fits.Table) -> tuple[_Columns, list[str]]:
    """Return the conditions, and a sentence on each thing that is not kept.

    Arguments:
        path: The catalogue.
        table: Its table.

    Raises:
        DataError: The catalogue beside it is damaged.
    """
    found = {name: table.numbers(column) for name, column in _FIRST.items() if column in table}
    notes = [_unused(table, _USED)]
    beside = path.with_name(f"{path.stem}_fits{path.suffix}")
    if beside.is_file():
        with opened(Source(beside)) as file:
            second = fits.table(file) if file.container == "FITS" else None
        if second is None or not _alike(table, second):
            notes.append(f"'{beside.name}' holds other galaxies and is not read")
        else:
            found |= _measured(second, found)
            notes.append(_unused(second, _USED_BESIDE))
    missing = {name: found[name] >= _NO_MAGNITUDE for name in ("mag",) if name in found}
    # A redshift or a size below zero stands for a measurement that failed.
    missing |= {name: found[name] < 0 for name in ("zphot", "flux_radius") if name in found}
    kept, lacking = galaxies.complete(found, missing)
    return kept, [*lacking, *(note for note in notes if note)]


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


def _unused(table: fits.Table, used: tuple[str, ...]) -> str:
    names = {name.lower() for name in used}
    rest = [name for name in table.columns if name.lower() not in names]
    if not rest:
        return ""
    return f"the columns {listing(rest)} of '{table.path.name}' are not kept as conditions"
