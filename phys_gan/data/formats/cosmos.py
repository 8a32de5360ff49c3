"""The FITS layout of GalSim's COSMOS galaxies: a catalogue and stamps beside it.

What GalSim's two COSMOS catalogues say about each galaxy, as conditions.

Stamps of galaxies of any size, and how they are put into a window of one size.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.columns import Beside, Gathering
from phys_gan.data.containers import fits
from phys_gan.data.containers.container import damage_reported
from phys_gan.data.containers.fits import Image, Images, find_images
from phys_gan.data.containers.opening import OpenFile, astropy_fits, opened
from phys_gan.data.format import Append, Format, HitMapping, Reader, allocating, register_format
from phys_gan.data.formats import galaxies
from phys_gan.data.metadata import Metadata, choose_detector
from phys_gan.data.source import Source
from phys_gan.detectors import Detector, ImageLayer
from phys_gan.errors import DataError, DetectorError, MissingError, OutputError
from phys_gan.events import Events
from phys_gan.files import atomic_file

__all__ = ["CosmosFITS", "Stamps", "find_stamps", "offer_columns", "read_beside"]

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
_WEIGHT, _WEIGHTS_cosmos_catalogue = "WEIGHT", "weights"
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
    if _WEIGHT not in table or _WEIGHTS_cosmos_catalogue not in table:
        return ()
    same = np.array_equal(table.column(_WEIGHT), table.column(_WEIGHTS_cosmos_catalogue))
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


_LONGEST_NAME_cosmos_stamps = 255
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
        possible = name.isprintable() and len(name.encode()) <= _LONGEST_NAME_cosmos_stamps
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


_CONDITION = "condition_"
_OVERFLOW = "overflow"
_WEIGHTS = "weights"
_STANDARD = (
    *("IDENT", "GAL_FILENAME", "GAL_HDU", "PIXEL_SCALE", "WEIGHT", "stamp_flux"),
    *("MAG", "NOISE_VARIANCE", "RA", "DEC"),
)
# A point stands before the number of a component, as in what vectors become.
_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
_LONGEST_NAME = 58


@register_format
class CosmosFITS(Format):
    """Read and write a catalogue whose rows name a stamp each: ``GAL_FILENAME``, ``GAL_HDU``.

    Each stamp is put into the middle of the detector's pixels: the middle pixel, number n // 2 of
    n, of both are the same. Pixels beyond a stamp are 0; the sum of what lies outside the window
    is the overflow. Conditions are ``flux`` [count/s], ``mag``, ``ra``, ``dec`` [deg] and
    ``noise_variance``, and from the catalogue ``<name>_fits.fits``, where it stands beside,
    ``zphot``, ``flux_radius`` and ``half_light_radius`` [arcsec], ``sersic_index``, ``axis_ratio``
    and ``position_angle`` [rad]. ``WEIGHT`` is the weight of a galaxy; other columns with a number
    per galaxy, or a few, are conditions by their names.

    Files of ours are the catalogue and ``<name>_images.fits``; GalSim's ``RealGalaxyCatalog``
    reads them. They keep all conditions as columns ``condition_<name>``, weights as ``weights``,
    and no PSF.

    References:
        GalSim: the modular galaxy image simulation toolkit (Rowe et al., 2015),
        https://arxiv.org/abs/1407.7676
        COSMOS real galaxy data (Mandelbaum et al.), https://doi.org/10.5281/zenodo.3242143
    """

    name: ClassVar[str] = "cosmos-fits"
    description: ClassVar[str] = "GalSim COSMOS FITS: catalogue with GAL_FILENAME, GAL_HDU; stamps"
    extensions: ClassVar[tuple[str, ...]] = (".fits", ".fit")
    container: ClassVar[str] = "FITS"
    needs: ClassVar[tuple[str, ...]] = ("GAL_FILENAME", "GAL_HDU", "PIXEL_SCALE")

    def recognises(self, file: OpenFile) -> bool:
        """Return whether this is a FITS file: there is no other layout, and the reader explains."""
        return file.container == self.container

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read events."""
        meta, table = fits.metadata(file), fits.table(file)
        if table is None:
            raise _not_a_catalogue(file.path, "holds images, but no catalogue")
        if "GAL_FILENAME" not in table and "GAL_HDU" not in table and meta is None:
            raise _not_a_catalogue(file.path, "does not say where the stamps are")
        for need in self.needs:
            table.column(need)
        if not len(table):
            raise DataError("its catalogue has no galaxies", remedy="check the job that made it")
        stamps = find_stamps(file.path, table)
        pixel_scale = _pixel_scale(table)
        if meta is None:
            chosen = detector or _default(stamps, pixel_scale)
            found = read_beside(file.path, table)
        else:
            chosen, found = _own(detector, meta, table), _own_beside(table)
        _require(chosen, pixel_scale)
        shape = chosen.layers[0].shape
        outside = _own_overflow(table) if meta is not None else None

        def fill(start: int, stop: int, out: NDArray[np.float32]) -> NDArray[np.float32] | None:
            beyond = stamps.read(start, stop, out.reshape(stop - start, *shape))
            if meta is None:
                return beyond
            return None if outside is None else outside[start:stop]

        provenance = {} if meta is None else meta.provenance
        load = allocating(fill, chosen.n_cells)
        return Reader(
            chosen,
            len(table),
            found.conditions,
            load,
            provenance,
            1,
            found.notes,
            fill,
            weights=found.weights,
            optional=found.optional,
        )

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; it needs an image of one band."""
        bands = galaxies.band_obstacle(events.detector, 1)
        found = {"cells": bands} if bands else {}
        seen: set[str] = set()
        for name in events.conditions:
            if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
                found[name] = "cannot be the name of a column"
            elif name.lower() in seen:
                found[name] = "differs from another only in upper and lower case"
            seen.add(name.lower())
        return found

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events: the stamps, and when they are complete the catalogue."""
        beside = path.with_name(f"{path.stem}_images.fits")
        _require_writable(path, beside)
        layer = sample.detector.layers[0]
        assert isinstance(layer, ImageLayer)
        with atomic_file(path) as catalogue, atomic_file(beside) as temporary:
            images = Images(temporary, layer.shape)
            numbers: list[NDArray[np.int64]] = []
            parts: dict[str, list[NDArray[np.floating]]] = {}

            def append(events: Events) -> None:
                numbers.append(images.add(events.cells))
                sums = events.total_energy()
                parts.setdefault("stamp_flux", []).append(events.conditions.get("flux", sums))
                for name, values in events.conditions.items():
                    parts.setdefault(_CONDITION + name, []).append(values)
                if events.overflow is not None:
                    parts.setdefault(_OVERFLOW, []).append(events.overflow[:, 0])
                if events.weights is not None:
                    parts.setdefault(_WEIGHTS, []).append(events.weights)

            yield append
            columns = {name: np.concatenate(values) for name, values in parts.items()}
            hdus = np.concatenate(numbers) if numbers else np.zeros(0, np.int64)
            ones = np.ones(len(hdus))
            for standard in ("mag", "noise_variance", "ra", "dec"):
                if _CONDITION + standard in columns:
                    columns[standard.upper()] = columns[_CONDITION + standard]
            fits.write_table(
                catalogue,
                {
                    "IDENT": np.arange(len(hdus)),
                    "GAL_FILENAME": np.full(len(hdus), beside.name.encode()),
                    "GAL_HDU": hdus,
                    "PIXEL_SCALE": ones * layer.pixel_scale,
                    "WEIGHT": columns.get(_WEIGHTS, ones),
                    **columns,
                },
                self.texts(sample),
            )


def _not_a_catalogue(path: Path, why: str) -> MissingError:
    """Return an error that says which file to name."""
    near = [path.with_name(f"{path.stem.removesuffix(end)}.fits") for end in ("_fits", "_images")]
    hint = next((f", '{other}'" for other in near if other != path and other.exists()), "")
    return MissingError(
        f"'{path}' {why}",
        remedy=f"name the catalogue beside it{hint}, a table with GAL_FILENAME and GAL_HDU",
        value=str(path),
    )


def _pixel_scale(table: fits.Table) -> float:
    """Return the side of a pixel [arcsec], which all stamps must share."""
    sizes = table.numbers("PIXEL_SCALE")
    low, high = float(sizes.min()), float(sizes.max())
    if not (0 < low <= high < np.inf and np.isclose(low, high, rtol=1e-6)):
        raise DataError(
            f"the stamps have pixels of {low:g} to {high:g} arcsec (PIXEL_SCALE), which no "
            f"detector has",
            remedy="split the catalogue",
            value=(low, high),
        )
    return low


def _default(stamps: Stamps, pixel_scale: float) -> Detector:
    """Return an image that holds the largest stamp."""
    n = stamps.largest
    return galaxies.image_detector(
        f"cosmos-{n}",
        ("F814W",),
        (n, n),
        pixel_scale,
        "count/s",
        f"HST/ACS F814W stamp of the COSMOS field, {n} x {n} pixels of {pixel_scale:g} arcsec",
        "GalSim RealGalaxy data, doi:10.5281/zenodo.3242143",
    )


def _require(detector: Detector, pixel_scale: float) -> None:
    """Require an image of one band with pixels of this size."""
    layer = detector.layers[0]
    if obstacle := galaxies.band_obstacle(detector, 1):
        raise DetectorError(
            f"the detector {obstacle}",
            remedy="name another, such as cosmos-64, or leave it out",
            value=detector.name,
        )
    assert isinstance(layer, ImageLayer)
    if not np.isclose(layer.pixel_scale, pixel_scale, rtol=1e-6):
        raise DetectorError(
            f"the pixels of the stamps are {pixel_scale:g} arcsec wide, but those of detector "
            f"'{detector.name}' are {layer.pixel_scale:g} arcsec",
            remedy="name another, such as cosmos-64, or leave it out",
            value=layer.pixel_scale,
            constraint=pixel_scale,
        )


def _own(given: Detector | None, meta: Metadata, table: fits.Table) -> Detector:
    chosen = choose_detector(given, meta.detector)
    if chosen is None:
        raise DataError(f"'{table.path}' has lost its detector", remedy="make the file again")
    return chosen


def _own_beside(table: fits.Table) -> Beside:
    found, used = Gathering(len(table), {}, "column"), {*_STANDARD, _OVERFLOW, _WEIGHTS}
    if _WEIGHTS in table:
        found.weigh(_WEIGHTS, table.numbers(_WEIGHTS))
    for name in table.columns:
        if name.startswith(_CONDITION):
            found.keep(name.removeprefix(_CONDITION), table.numbers(name), name)
            used.add(name)
    offer_columns(found, table, used)
    return found.found()


def _own_overflow(table: fits.Table) -> NDArray[np.float32] | None:
    if _OVERFLOW not in table:
        return None
    return table.numbers(_OVERFLOW)[:, np.newaxis].astype(np.float32)


def _require_writable(path: Path, beside: Path) -> None:
    """Require what FITS can say of the file of the stamps, and the library that writes it."""
    if not beside.name.isascii():
        raise OutputError(
            f"cannot write '{path}': a FITS catalogue names its stamps '{beside.name}' in ASCII",
            remedy="choose a name without other characters",
        )
    astropy_fits(path)
