"""``CosmosFITS``: GalSim's catalogues of COSMOS galaxies in FITS, and the stamps beside them.

References:
    GalSim: the modular galaxy image simulation toolkit (Rowe et al., 2015),
    https://arxiv.org/abs/1407.7676
    COSMOS real galaxy data (Mandelbaum et al.), https://doi.org/10.5281/zenodo.3242143
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.columns import Beside, Gathering
from phys_gan.data.containers import fits
from phys_gan.data.containers.container import damage_reported
from phys_gan.data.containers.fits import Image, Images, find_images
from phys_gan.data.containers.opening import OpenFile, astropy_fits, opened
from phys_gan.data.format import Append, Format, HitMapping, Reader, allocating, register_format
from phys_gan.data.formats.galaxies import band_obstacle, image_detector
from phys_gan.data.metadata import choose_detector
from phys_gan.data.source import Source
from phys_gan.detectors import Detector, ImageLayer
from phys_gan.errors import DataError, DetectorError, MissingError, OutputError
from phys_gan.events import Events
from phys_gan.files import atomic_file

_Columns = dict[str, NDArray[np.float64]]

_FILE, _HDU, _SIZE, _IDENT = "GAL_FILENAME", "GAL_HDU", "PIXEL_SCALE", "IDENT"
_PSF = ("PSF_FILENAME", "PSF_HDU")
_WEIGHT = "WEIGHT"
_FIRST = {
    "flux": "stamp_flux",
    "mag": "MAG",
    "ra": "RA",
    "dec": "DEC",
    "noise_variance": "NOISE_VARIANCE",
}
"""Columns of the first catalogue by the names of the conditions."""
_SECOND = ("zphot", "flux_radius", "sersicfit", "hlr", "fit_status", "mag_auto")
_PIXEL = 0.03
"""Side of a pixel [arcsec] that the lengths in the second catalogue are given in."""
_NO_MAGNITUDE = 90.0
# What files of ours add.
_CONDITION, _OVERFLOW, _WEIGHTS = "condition_", "overflow", "weights"
# A point stands before the number of a component, as in what vectors become.
_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
_LONGEST_NAME = 58
_LONGEST_FILE = 255
"""Bytes; a longer one is not a name on any file system."""


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
    """

    name = "cosmos-fits"
    description = "GalSim COSMOS FITS: catalogue with GAL_FILENAME, GAL_HDU; stamps"
    extensions = (".fits", ".fit")
    container = "FITS"
    needs = (_FILE, _HDU, _SIZE)

    def recognises(self, file: OpenFile) -> bool:
        """Return True: there is no other layout in FITS, and the reader complains."""
        return True

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read the stamps that the catalogue names."""
        meta, table = fits.metadata(file), fits.table(file)
        if table is None:
            raise _not_a_catalogue(file.path, "holds images, but no catalogue")
        if _FILE not in table and _HDU not in table and meta is None:
            raise _not_a_catalogue(file.path, "does not say where the stamps are")
        for need in self.needs:
            table.column(need)
        if not len(table):
            raise DataError("its catalogue has no galaxies", remedy="check the job that made it")
        stamps = _find_stamps(file.path, table)
        pixel_scale = _pixel_scale(table)
        outside = None
        if meta is None:
            chosen = detector or _default(stamps, pixel_scale)
            beside = _read_beside(file.path, table)
        else:
            own = choose_detector(detector, meta.detector)
            if own is None:
                raise DataError(f"'{file.path}' has lost its detector", remedy="make it again")
            chosen, beside = own, _own_beside(table)
            if _OVERFLOW in table:
                outside = table.numbers(_OVERFLOW)[:, np.newaxis].astype(np.float32)
        _require(chosen, pixel_scale)
        shape = chosen.layers[0].shape

        def fill(start: int, stop: int, out: NDArray[np.float32]) -> NDArray[np.float32] | None:
            beyond = stamps.read(start, stop, out.reshape(stop - start, *shape))
            if meta is None:
                return beyond
            return None if outside is None else outside[start:stop]

        return Reader(
            chosen,
            len(table),
            beside.conditions,
            allocating(fill, chosen.n_cells),
            {} if meta is None else meta.provenance,
            1,
            beside.notes,
            fill,
            weights=beside.weights,
            optional=beside.optional,
        )

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; it needs an image of one band."""
        bands = band_obstacle(events.detector, 1)
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
        if not beside.name.isascii():
            raise OutputError(
                f"cannot write '{path}': a FITS catalogue names its stamps '{beside.name}' in "
                f"ASCII",
                remedy="choose a name without other characters",
            )
        astropy_fits(path)
        layer = sample.detector.layers[0]
        assert isinstance(layer, ImageLayer)
        with atomic_file(path) as catalogue, atomic_file(beside) as temporary:
            images = Images(temporary, layer.shape)
            numbers = [np.zeros(0, np.int64)]
            parts: dict[str, list[NDArray[np.floating]]] = {}

            def append(events: Events) -> None:
                numbers.append(images.add(events.cells))
                flux = events.conditions.get("flux", events.total_energy())
                columns: dict[str, NDArray[np.floating]] = {"stamp_flux": flux}
                columns |= {_CONDITION + name: v for name, v in events.conditions.items()}
                if events.overflow is not None:
                    columns[_OVERFLOW] = events.overflow[:, 0]
                if events.weights is not None:
                    columns[_WEIGHTS] = events.weights
                for name, values in columns.items():
                    parts.setdefault(name, []).append(values)

            yield append
            columns = {name: np.concatenate(values) for name, values in parts.items()}
            hdus = np.concatenate(numbers)
            ones = np.ones(len(hdus))
            for standard in ("mag", "noise_variance", "ra", "dec"):
                if _CONDITION + standard in columns:
                    columns[standard.upper()] = columns[_CONDITION + standard]
            fits.write_table(
                catalogue,
                {
                    _IDENT: np.arange(len(hdus)),
                    _FILE: np.full(len(hdus), beside.name.encode()),
                    _HDU: hdus,
                    _SIZE: ones * layer.pixel_scale,
                    _WEIGHT: columns.get(_WEIGHTS, ones),
                    **columns,
                },
                self.texts(sample),
            )


def _not_a_catalogue(path: Path, why: str) -> MissingError:
    """Return an error that names the file to give."""
    near = [path.with_name(f"{path.stem.removesuffix(end)}.fits") for end in ("_fits", "_images")]
    hint = next((f", '{other}'" for other in near if other != path and other.exists()), "")
    return MissingError(
        f"'{path}' {why}",
        remedy=f"name the catalogue beside it{hint}, a table with {_FILE} and {_HDU}",
        value=str(path),
    )


def _pixel_scale(table: fits.Table) -> float:
    """Return the side of a pixel [arcsec], which all stamps must share."""
    sizes = table.numbers(_SIZE)
    low, high = float(sizes.min()), float(sizes.max())
    if not (0 < low <= high < np.inf and np.isclose(low, high, rtol=1e-6)):
        raise DataError(
            f"the stamps have pixels of {low:g} to {high:g} arcsec ({_SIZE}), which no detector "
            f"has",
            remedy="split the catalogue",
            value=(low, high),
        )
    return low


def _default(stamps: _Stamps, pixel_scale: float) -> Detector:
    """Return an image that holds the largest stamp."""
    n = max(max(image.shape) for image in stamps.images)
    return image_detector(
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
    layer, remedy = detector.layers[0], "name another, such as cosmos-64, or leave it out"
    if obstacle := band_obstacle(detector, 1):
        raise DetectorError(f"the detector {obstacle}", remedy=remedy, value=detector.name)
    assert isinstance(layer, ImageLayer)
    if not np.isclose(layer.pixel_scale, pixel_scale, rtol=1e-6):
        raise DetectorError(
            f"the pixels of the stamps are {pixel_scale:g} arcsec wide, but those of detector "
            f"'{detector.name}' are {layer.pixel_scale:g} arcsec",
            remedy=remedy,
            value=layer.pixel_scale,
            constraint=pixel_scale,
        )


# Conditions


def _own_beside(table: fits.Table) -> Beside:
    """Return conditions and weights of a catalogue that phys_gan wrote."""
    found = Gathering(len(table), {}, "column")
    used = {_FILE, _HDU, _SIZE, _IDENT, _WEIGHT, *_FIRST.values(), _OVERFLOW, _WEIGHTS}
    if _WEIGHTS in table:
        found.weigh(_WEIGHTS, table.numbers(_WEIGHTS))
    for name in table.columns:
        if name.startswith(_CONDITION):
            found.keep(name.removeprefix(_CONDITION), table.numbers(name), name)
            used.add(name)
    _offer_columns(found, table, used)
    return found.found()


def _read_beside(path: Path, table: fits.Table) -> Beside:
    """Return conditions and weights of a catalogue that another program wrote.

    ``WEIGHT`` is how much a galaxy counts, since large ones fit into fewer stamps.
    """
    found = {name: table.numbers(column) for name, column in _FIRST.items() if column in table}
    notes: list[str] = []
    second = _second(path, table, notes)
    if second is not None:
        found |= _measured(second, found)
    lacking, kept = [], {}
    for name, values in found.items():
        lacks = ~np.isfinite(values)
        if name == "mag":
            lacks |= values >= _NO_MAGNITUDE
        elif name in ("zphot", "flux_radius"):
            # A redshift or a size below zero stands for a measurement that failed.
            lacks |= values < 0
        if lacks.any():
            missing = f"{name} is missing for {lacks.sum()} of {len(lacks)} galaxies"
            lacking.append(f"{missing} and is not kept as a condition")
        else:
            kept[name] = values
    further = Gathering(len(table), kept, "column")
    # A file of ours that has lost its attributes has the same weights twice.
    twice = (
        _WEIGHT in table
        and _WEIGHTS in table
        and np.array_equal(table.column(_WEIGHT), table.column(_WEIGHTS))
    )
    used = (_FILE, _HDU, _SIZE, *_FIRST.values(), *((_WEIGHT,) if twice else ()))
    _offer_columns(further, table, used)
    if second is not None:
        _offer_columns(further, second, (*_SECOND, *table.columns))
        for name in second.columns:
            if name in _SECOND or name not in table:
                continue
            if not np.array_equal(second.column(name), table.column(name)):
                further.leave(name, "the first catalogue has another column of this name")
    beside = further.found()
    return replace(beside, notes=(*lacking, *notes, *beside.notes))


def _offer_columns(found: Gathering, table: fits.Table, used: Collection[str]) -> None:
    """Offer the columns of a table, but those used; upper and lower case are the same."""
    names = {name.lower() for name in used}
    for name, values in table.columns.items():
        if name.lower() in names:
            continue
        if name.upper() in _PSF:
            found.leave(name, "point spread functions are not read")
        elif name.upper() == _IDENT:
            found.leave(name, "identifiers are not conditions")
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
    alike = second is not None and len(second) == len(table)
    if second is not None and alike and _IDENT in table and _IDENT in second:
        alike = np.array_equal(table.texts(_IDENT), second.texts(_IDENT))
    if not alike:
        notes.append(f"'{beside.name}' holds other galaxies and is not read")
        return None
    return second


def _measured(table: fits.Table, known: Mapping[str, NDArray[np.float64]]) -> _Columns:
    """Return the conditions from the second catalogue; NaN where a fit failed."""
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


# Stamps


@dataclass(frozen=True)
class _Stamps:
    """Where the stamps of a catalogue are: the file of each, and its place in the file."""

    paths: list[Path]
    images: list[Image]

    def read(self, start: int, stop: int, out: NDArray[np.float32]) -> NDArray[np.float32]:
        """Read some stamps into windows (n, rows, columns).

        Return the sums of the pixels outside the windows, (n, 1).
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


def _find_stamps(catalogue: Path, table: fits.Table) -> _Stamps:
    """Find the stamps that a catalogue names, in files beside it.

    Raises:
        MissingError: A file of stamps is not there.
        DataError: A number is not an HDU of its file, or the file is damaged.
    """
    names, numbers = table.texts(_FILE), table.numbers(_HDU)
    wrong = (numbers < 0) | (numbers != np.rint(numbers))
    if wrong.any():
        raise DataError(
            f"{_HDU} is {numbers[wrong][0]:g} for a galaxy, but must be the number of an HDU",
            remedy="correct the catalogue",
        )
    hdus = numbers.astype(int).tolist()
    wanted: dict[str, list[int]] = {}
    for name, hdu in zip(names, hdus, strict=True):
        wanted.setdefault(name, []).append(hdu)
    found = {}
    for name, there in wanted.items():
        possible = name.isprintable() and len(name.encode()) <= _LONGEST_FILE
        if not possible or Path(name).name != name:
            # Nothing but what stands beside the catalogue is opened.
            raise DataError(
                f"the catalogue '{catalogue}' names the file of stamps {name[:80]!r}, which is not "
                f"the name of a file beside it",
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
    return _Stamps(
        [catalogue.parent / name for name in names],
        [found[name][hdu] for name, hdu in zip(names, hdus, strict=True)],
    )
