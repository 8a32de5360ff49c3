"""The FITS layout of GalSim's COSMOS galaxies: a catalogue and stamps beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.beside import Beside, Gathering
from phys_gan.data.containers import fits
from phys_gan.data.containers.opening import OpenFile, astropy_fits
from phys_gan.data.format import Append, Format, Reader, allocating
from phys_gan.data.formats import galaxies
from phys_gan.data.formats.cosmos_catalogue import offer_columns, read_beside
from phys_gan.data.formats.cosmos_stamps import Stamps, find_stamps
from phys_gan.data.formats.fits_images import Images
from phys_gan.data.mapping import HitMapping
from phys_gan.data.metadata import Metadata, choose_detector
from phys_gan.detectors import Detector, ImageLayer
from phys_gan.errors import DataError, DetectorError, MissingError, OutputError
from phys_gan.events import Events
from phys_gan.files import atomic_file

__all__ = ["CosmosFITS"]

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
