"""FITS stamps and catalogues: numbers that stand for none, scaled numbers, packed files."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import phys_gan as pg
from helpers import wrong
from phys_gan.errors import DataError, PhysGanError

fits = pytest.importorskip("astropy.io.fits")

Run = Callable[..., tuple[int, str, str]]

SHAPE = (6, 8)
UNDEFINED = (2, 3)
"""A pixel of the second stamp."""


def catalogue(
    path: Path, stamps: str = "stamps.fits", n: int = 3, pixel: float = 0.03, **more: Any
) -> Path:
    """Write a catalogue whose rows name a stamp each."""
    columns = [
        fits.Column("IDENT", "J", array=np.arange(n)),
        fits.Column("GAL_FILENAME", "40A", array=np.array([stamps] * n)),
        fits.Column("GAL_HDU", "J", array=np.arange(1, n + 1)),
        fits.Column("PIXEL_SCALE", "D", array=np.full(n, pixel)),
        *more.values(),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(path, overwrite=True)
    return path


def stamps(path: Path, stored: list[np.ndarray], **cards: float) -> Path:
    """Write stamps of stored numbers, with what headers say about them in all."""
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(values) for values in stored)]
    fits.HDUList(hdus).writeto(path, overwrite=True)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as file:
        for hdu in file[1:]:
            hdu.header.update(cards)
    return path


def numbers(dtype: str, n: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(1, 100, SHAPE).astype(dtype) for _ in range(n)]


SCALES = [{}, {"BSCALE": 0.25}, {"BZERO": -10.0}, {"BSCALE": 2.0, "BZERO": 100.0}]
# The way in which FITS stores unsigned and signed numbers that it has no type for.
PSEUDO = {"i2": 2.0**15, "i4": 2.0**31, "u1": -128.0}


@pytest.mark.parametrize("blank", [0, 7, 100])
@pytest.mark.parametrize("scale", [*SCALES, "pseudo"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8"])
def test_blank_pixels_have_no_value(
    tmp_path: Path, dtype: str, scale: dict[str, float] | str, blank: int
) -> None:
    cards = {"BZERO": PSEUDO.get(dtype, 0.0)} if isinstance(scale, str) else scale
    stored = numbers(dtype)
    for values in stored:
        values[values == blank] = blank + 1
    stamps(tmp_path / "stamps.fits", stored, BLANK=blank, **cards)
    path = catalogue(tmp_path / "a.fits")
    events = pg.read(path)
    expected = np.stack(stored) * cards.get("BSCALE", 1.0) + cards.get("BZERO", 0.0)
    np.testing.assert_allclose(middle(events), expected, rtol=1e-6)

    stored[1][UNDEFINED] = blank
    stamps(tmp_path / "stamps.fits", stored, BLANK=blank, **cards)
    with pytest.raises(DataError, match=r"NaN or infinite values in 1 of 3 .*first: event 1"):
        pg.read(path)
    # Without the card, it is a number like any other.
    stamps(tmp_path / "stamps.fits", stored, **cards)
    assert middle(pg.read(path))[1][UNDEFINED] == pytest.approx(
        blank * cards.get("BSCALE", 1.0) + cards.get("BZERO", 0.0)
    )


def middle(events: pg.Events) -> np.ndarray:
    """Return the pixels of the stamps from their window."""
    window = events.layer(0)
    rows, columns = (
        slice(size // 2 - n // 2, size // 2 - n // 2 + n)
        for size, n in zip(window.shape[1:], SHAPE, strict=True)
    )
    return window[:, rows, columns]


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "u2", "u4", "f4", "f8"])
def test_pixels_are_those_that_astropy_reads(tmp_path: Path, dtype: str) -> None:
    path = stamps(tmp_path / "stamps.fits", numbers(dtype))
    with fits.open(path) as file:
        theirs = np.stack([hdu.data for hdu in file[1:]]).astype(np.float32)
    np.testing.assert_array_equal(middle(pg.read(catalogue(tmp_path / "a.fits"))), theirs)


def test_blank_pixels_beyond_the_window_are_refused_too(tmp_path: Path) -> None:
    stored = numbers("i2")
    stored[2][0, 0] = 200
    stamps(tmp_path / "stamps.fits", stored, BLANK=200)
    detector = pg.Detector.from_toml(
        'name = "small"\ncell_unit = "count/s"\n[[layers]]\nkind = "image"\nname = "i"\n'
        "rows = 4\ncolumns = 4\npixel_scale = 0.03\n"
    )
    with pytest.raises(DataError, match=r"overflow .*NaN"):
        pg.read(catalogue(tmp_path / "a.fits"), detector=detector)


@pytest.mark.filterwarnings("ignore:Invalid 'BLANK' keyword")
def test_blank_means_nothing_where_pixels_are_no_whole_numbers(tmp_path: Path) -> None:
    stored = [values.astype(np.float32) for values in numbers("i2")]
    stored[1][UNDEFINED] = 7
    stamps(tmp_path / "stamps.fits", stored, BLANK=7)
    assert middle(pg.read(catalogue(tmp_path / "a.fits")))[1][UNDEFINED] == 7
    stored[1][UNDEFINED] = np.nan
    stamps(tmp_path / "stamps.fits", stored)
    with pytest.raises(DataError, match="NaN or infinite values in 1 of 3"):
        pg.read(tmp_path / "a.fits")


def test_every_command_refuses_blank_pixels(tmp_path: Path, run: Run) -> None:
    stored = numbers("i2")
    stored[1][UNDEFINED] = -32768
    stamps(tmp_path / "stamps.fits", stored, BLANK=-32768)
    path, out = catalogue(tmp_path / "a.fits", pixel=0.2), tmp_path / "out"
    for arguments in (
        ("inspect", path),
        ("convert", path, out / "b.h5"),
        ("validate", path, path, "--out", out),
        ("train", "galaxies-dcgan", "--data", path, "--out", out),
    ):
        wrong(run(*arguments), str(path), "NaN or infinite values")
    assert not out.exists() or not list(out.iterdir())


@pytest.mark.parametrize(
    ("column", "values", "undefined"),
    [
        (("MAG", "J"), [20, 21, 22], None),
        (("MAG", "J"), [20, -99, 22], -99),
        (("MAG", "B"), [20, 255, 22], 255),
        (("MAG", "I"), [20, 0, 22], 0),
        (("MAG", "K"), [20, -(2**63), 22], -(2**63)),
    ],
)
def test_undefined_numbers_of_a_catalogue(
    tmp_path: Path, column: tuple[str, str], values: list[int], undefined: int | None
) -> None:
    stamps(tmp_path / "stamps.fits", numbers("f4"))
    made = fits.Column(*column, null=undefined, array=np.array(values))
    path = catalogue(tmp_path / "a.fits", mag=made)
    if undefined is None:
        assert pg.read(path).conditions["mag"].tolist() == values
        return
    assert "mag" not in pg.read(path).conditions
    assert "mag is missing for 1 of 3 galaxies" in " ".join(pg.inspect(path).notes)


@pytest.mark.parametrize(
    "cards", [{"TZERO5": 32768}, {"TZERO5": 32768.0}, {"TSCAL5": 0.5, "TZERO5": 10.0}]
)
def test_undefined_numbers_of_scaled_columns(tmp_path: Path, cards: dict[str, float]) -> None:
    stamps(tmp_path / "stamps.fits", numbers("f4"))
    made = fits.Column("RA", "I", null=4, array=np.array([20, 4, 22]))
    path = catalogue(tmp_path / "a.fits", ra=made)
    for name, value in cards.items():
        fits.setval(path, name, value=value, ext=1)
    assert "ra is missing for 1 of 3 galaxies" in " ".join(pg.inspect(path).notes)
    fits.setval(path, "TNULL5", value=5, ext=1)
    expected = np.array([20, 4, 22]) * cards.get("TSCAL5", 1.0) + cards["TZERO5"]
    np.testing.assert_allclose(pg.read(path).conditions["ra"], expected)


def test_an_undefined_place_of_a_stamp(tmp_path: Path) -> None:
    stamps(tmp_path / "stamps.fits", numbers("f4"))
    path = catalogue(tmp_path / "a.fits")
    fits.setval(path, "TNULL3", value=2, ext=1)
    with pytest.raises(DataError, match="GAL_HDU is nan for a galaxy, but must be the number of"):
        pg.read(path)


def test_vectors_with_an_undefined_number(tmp_path: Path) -> None:
    stamps(tmp_path / "stamps.fits", numbers("f4"))
    catalogue(tmp_path / "a.fits")
    fit = np.ones((3, 8), np.int32)
    fit[1, 2] = -1
    columns = [
        fits.Column("IDENT", "J", array=np.arange(3)),
        fits.Column("sersicfit", "8J", null=-1, array=fit),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "a_fits.fits")
    notes = " ".join(pg.inspect(tmp_path / "a.fits").notes)
    assert "sersic_index is missing for 1 of 3 galaxies" in notes
    fits.setval(tmp_path / "a_fits.fits", "TNULL2", value=-2, ext=1)
    assert "half_light_radius is missing for 1 of 3 galaxies" in str(
        pg.inspect(tmp_path / "a.fits")
    )


def test_what_is_read_comes_back_as_it_was(tmp_path: Path) -> None:
    stamps(tmp_path / "stamps.fits", numbers("u2"), BLANK=3)
    events = pg.read(catalogue(tmp_path / "a.fits"))
    pg.write(tmp_path / "b.fits", events)
    np.testing.assert_array_equal(pg.read(tmp_path / "b.fits").cells, events.cells)


def test_compressed_images_are_named_as_such(tmp_path: Path, run: Run) -> None:
    values = numbers("i2")
    hdus = [fits.PrimaryHDU(), *(fits.CompImageHDU(one) for one in values)]
    fits.HDUList(hdus).writeto(tmp_path / "my stamps.fits")
    path = catalogue(tmp_path / "a.fits", "my stamps.fits")
    said = run("inspect", path)
    wrong(said, "HDU 1 of", "is a compressed image; unpack the file: funpack '")


def packed(path: Path) -> Path:
    """Pack a file with gzip; return what it is called then."""
    out = path.with_name(f"{path.name}.gz")
    out.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return out


def test_packed_files_of_stamps_and_catalogues(tmp_path: Path, run: Run) -> None:
    stamps(tmp_path / "stamps.fits", numbers("f4"))
    packed(tmp_path / "stamps.fits")
    path = catalogue(tmp_path / "a.fits", "stamps.fits.gz")
    there = tmp_path / "stamps.fits.gz"
    wrong(
        run("inspect", path), f"'{there}' is packed with gzip; unpack it first: gunzip -k {there}"
    )
    there = packed(path)
    for command in (("inspect", there), ("convert", there, tmp_path / "b.h5")):
        wrong(run(*command), "is packed with gzip; unpack it first: gunzip -k")


def test_stamps_in_another_container(tmp_path: Path) -> None:
    events = pg.read(Path(__file__).parents[2] / "datasets" / "geant4_calogan_eplus.h5")[:2]
    pg.write(tmp_path / "stamps.h5", events)
    path = catalogue(tmp_path / "a.fits", "stamps.h5")
    with pytest.raises(PhysGanError, match="is a HDF5 file, but stamps are in FITS files; correct"):
        pg.read(path)
