from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import assert_same
from phys_gan.data import inspect, read, write, writing
from phys_gan.data.formats.galaxies import image_detector
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DetectorError, MissingError, OutputError, PhysGanError
from phys_gan.events import Events

fits = pytest.importorskip("astropy.io.fits")

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "cosmos"
CATALOGUE = "real_galaxy_catalog_26_extension_example.fits"
SIZES = ((3, 3), (8, 8), (5, 9))


def cosmos() -> Path:
    if not (SHARED / CATALOGUE).exists():
        pytest.skip("needs the COSMOS sample")
    return SHARED / CATALOGUE


def save(path: Path, columns: dict[str, Any]) -> None:
    """Write a binary table, the type of each column from its values."""
    codes = {"f": "D", "i": "J", "U": "300A"}
    made = []
    for name, values in columns.items():
        array = np.asarray(values)
        many = str(array.shape[1]) if array.ndim > 1 else ""
        made.append(fits.Column(name, many + codes[array.dtype.kind], array=array))
    fits.BinTableHDU.from_columns(made).writeto(path, overwrite=True)


def columns(n: int = 3) -> dict[str, Any]:
    return {
        "IDENT": np.arange(n),
        "MAG": np.linspace(20, 24, n),
        "GAL_FILENAME": np.array(["stamps.fits "] * n),
        "GAL_HDU": np.arange(n),
        "PSF_FILENAME": np.array(["psf.fits"] * n),
        "PIXEL_SCALE": np.full(n, 0.03),
        "stamp_flux": np.linspace(1, 9, n),
    }


def make(folder: Path, sizes: tuple[tuple[int, int], ...] = SIZES) -> list[np.ndarray]:
    """Write a catalogue ``a.fits`` and its stamps; return them."""
    rng = np.random.default_rng(5)
    stamps = [rng.normal(size=size).astype(np.float32) for size in sizes]
    first, *others = stamps
    hdus = [fits.PrimaryHDU(first.astype(np.float64)), *(fits.ImageHDU(one) for one in others)]
    fits.HDUList(hdus).writeto(folder / "stamps.fits", overwrite=True)
    save(folder / "a.fits", columns(len(sizes)))
    return stamps


def test_stamps_lie_in_the_middle(tmp_path: Path) -> None:
    stamps = make(tmp_path)
    events = read(tmp_path / "a.fits")
    assert events.detector.layers[0].shape == (9, 9)
    assert (events.detector.name, events.detector.cell_unit) == ("cosmos-9", "count/s")
    image = events.layer(0)
    np.testing.assert_array_equal(image[0, 3:6, 3:6], stamps[0])
    np.testing.assert_array_equal(image[1, :8, :8], stamps[1])
    np.testing.assert_array_equal(image[2, 2:7], stamps[2])
    for k, stamp in enumerate(stamps):
        assert np.count_nonzero(image[k]) == stamp.size
    np.testing.assert_array_equal(events.overflow, np.zeros((3, 1)))
    assert set(events.conditions) == {"flux", "mag"}
    np.testing.assert_allclose(events.conditions["flux"], [1, 5, 9])


def test_what_lies_outside_the_window_is_overflow(tmp_path: Path) -> None:
    stamps = make(tmp_path)
    small = image_detector("small", ("i",), (4, 4), 0.03, "count/s")
    events = read(tmp_path / "a.fits", detector=small)
    np.testing.assert_array_equal(events.layer(0)[1], stamps[1][2:6, 2:6])
    np.testing.assert_array_equal(events.layer(0)[2], stamps[2][0:4, 2:6])
    np.testing.assert_array_equal(events.layer(0)[0, 1:4, 1:4], stamps[0])
    assert events.overflow is not None
    assert events.overflow[0, 0] == 0
    total = events.total_energy() + events.overflow[:, 0]
    np.testing.assert_allclose(total, [stamp.sum() for stamp in stamps], rtol=1e-5, atol=1e-5)


def test_the_second_catalogue(tmp_path: Path) -> None:
    make(tmp_path)
    fit = np.zeros((3, 8))
    fit[:, 1:4] = [10.0, 2.5, 0.25]
    fit[:, 7] = [0.0, 0.5, -1.0]
    more: dict[str, Any] = {
        "IDENT": np.arange(3),
        "zphot": np.array([0.5, 1.0, 1.5]),
        "flux_radius": np.array([10.0, 20.0, 30.0]),
        "sersicfit": fit,
        "HSC_g": np.ones(3),
    }
    save(tmp_path / "a_fits.fits", more)
    conditions = read(tmp_path / "a.fits").conditions
    np.testing.assert_allclose(conditions["zphot"], [0.5, 1, 1.5])
    np.testing.assert_allclose(conditions["flux_radius"], [0.3, 0.6, 0.9])
    # The radius in the catalogue is that of the major axis: 10 pixels of 0.03", times sqrt(q).
    np.testing.assert_allclose(conditions["half_light_radius"], 0.15)
    np.testing.assert_allclose(conditions["sersic_index"], 2.5)
    np.testing.assert_allclose(conditions["axis_ratio"], 0.25)
    np.testing.assert_allclose(conditions["position_angle"], [0, 0.5, -1])
    notes = " ".join(inspect(tmp_path / "a.fits").notes)
    assert "column 'PSF_FILENAME' is not kept: point spread functions are not read" in notes
    np.testing.assert_array_equal(conditions["HSC_g"], 1)

    more["hlr"] = np.array([[0.2, 0, 0], [0.3, 0, 0], [0.4, 0, 0]])
    more["fit_status"] = np.array([[1, 1, 1, 1, status] for status in (1, 4, 5)])
    more["zphot"] = np.array([0.5, np.nan, -1.0])
    save(tmp_path / "a_fits.fits", more)
    assert set(read(tmp_path / "a.fits").conditions) == {"flux", "mag", "flux_radius", "HSC_g"}
    notes = " ".join(inspect(tmp_path / "a.fits").notes)
    assert "zphot is missing for 2 of 3 galaxies and is not kept as a condition" in notes
    assert "half_light_radius is missing for 1 of 3 galaxies" in notes
    assert "position_angle is missing for 1 of 3 galaxies" in notes
    more["fit_status"][:] = 1
    save(tmp_path / "a_fits.fits", more)
    np.testing.assert_allclose(
        read(tmp_path / "a.fits").conditions["half_light_radius"], [0.2, 0.3, 0.4]
    )

    more["IDENT"] = np.arange(3) + 1
    save(tmp_path / "a_fits.fits", more)
    assert set(read(tmp_path / "a.fits").conditions) == {"flux", "mag"}
    assert "'a_fits.fits' holds other galaxies" in " ".join(inspect(tmp_path / "a.fits").notes)


def _change(name: str, values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        save(folder / "a.fits", {**columns(), name: values})

    return change


def _rename(old: str, new: str) -> Callable[[Path], None]:
    def rename(folder: Path) -> None:
        save(folder / "a.fits", {new if n == old else n: v for n, v in columns().items()})

    return rename


def _cut(name: str, keep: int) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:keep])

    return cut


def _spoilt(folder: Path) -> None:
    content = (folder / "a.fits").read_bytes()
    (folder / "a.fits").write_bytes(content.replace(b"TFORM3  = '", b"TFORM3  =  ", 1))


def _nan(folder: Path) -> None:
    with fits.open(folder / "stamps.fits", mode="update") as file:
        file[1].data[2, 2] = np.nan


def _packed(folder: Path) -> None:
    hdus = [fits.PrimaryHDU(), *(fits.CompImageHDU(np.ones((9, 9), np.float32)) for _ in range(2))]
    fits.HDUList(hdus).writeto(folder / "stamps.fits", overwrite=True)


def _only_images(folder: Path) -> None:
    fits.PrimaryHDU(np.ones((9, 9))).writeto(folder / "a.fits", overwrite=True)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_rename("GAL_HDU", "GALHDU"), r"has no column 'GAL_HDU' \(nearest: 'GALHDU'\); it holds"),
        (_rename("GAL_FILENAME", "FILE"), r"has no column 'GAL_FILENAME' \(nearest: "),
        (_rename("PIXEL_SCALE", "x"), "has no column 'PIXEL_SCALE'; it holds 'IDENT', 'MAG'"),
        (_change("GAL_HDU", [0, 1, 3]), r"stamps.fits' has no HDU 3: it has 3; correct GAL_HDU"),
        (_change("GAL_HDU", [0, -1, 2]), "GAL_HDU is -1 for a galaxy, but must be the number"),
        (_change("GAL_HDU", ["a", "b", "c"]), "column 'GAL_HDU' .* not hold a number per galaxy"),
        (_change("GAL_FILENAME", ["stamps.fits"] * 2 + ["no.fits"]), "no file '.*no.fits', in whi"),
        (_change("GAL_FILENAME", [""] * 3), "has 3 stamps; put it beside the catalogue"),
        (_change("GAL_FILENAME", [300 * "x"] * 3), "not the name of a file beside it"),
        (_change("PIXEL_SCALE", [0.03, 0.03, 0.05]), "pixels of 0.03 to 0.05 arcsec"),
        (_change("PIXEL_SCALE", [0.0] * 3), "pixels of 0 to 0 arcsec"),
        (lambda folder: save(folder / "a.fits", columns(0)), "its catalogue has no galaxies"),
        (_only_images, "holds images, but no catalogue; name the catalogue beside it"),
        (_cut("a.fits", 6000), "damaged or cut short"),
        (_cut("a.fits", 2000), "damaged or cut short"),
        (_cut("a.fits", 4000), "holds images, but no catalogue|damaged or cut short"),
        (_spoilt, "damaged or cut short"),
        (_cut("stamps.fits", 8000), "stamps.fits' is damaged or cut short in HDU 1"),
        (_cut("stamps.fits", 2900), "stamps.fits' is damaged or cut short in HDU 0"),
        (_cut("stamps.fits", 1000), "stamps.fits' is damaged or cut short in HDU 0"),
        (_nan, r"cells hold NaN or infinite values in 1 of 3 events \(first: event 1\)"),
        (_packed, "HDU 0 of '.*stamps.fits' is not an image of rows and columns"),
    ],
)
def test_what_is_wrong(tmp_path: Path, damage: Callable[[Path], None], sentence: str) -> None:
    make(tmp_path)
    damage(tmp_path)
    with pytest.raises(PhysGanError, match=sentence) as caught:
        read(tmp_path / "a.fits")
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_the_wrong_file(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(
        MissingError, match=r"stamps.fits' holds images, but no catalogue; name the"
    ):
        read(tmp_path / "stamps.fits")
    save(tmp_path / "a_fits.fits", {"IDENT": np.arange(3), "zphot": np.ones(3)})
    with pytest.raises(MissingError, match=r"a_fits.fits' does not say .* beside it, '.*/a.fits'"):
        read(tmp_path / "a_fits.fits")


@pytest.mark.parametrize(
    ("detector", "sentence"),
    [
        (
            "galaxies-32",
            "pixels of the stamps are 0.03 arcsec wide, .*'galaxies-32' are 0.2 arcsec",
        ),
        ("calogan", "must be an image of one band, not 504 cells in 3 layers of 'calogan'"),
        (image_detector("x", "gr", (9, 9), 0.03, "count"), "an image of one band, not 2 bands"),
    ],
)
def test_another_detector(tmp_path: Path, detector: str | Detector, sentence: str) -> None:
    make(tmp_path)
    with pytest.raises(DetectorError, match=sentence):
        read(tmp_path / "a.fits", detector=detector)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 99),
    names=st.sets(st.sampled_from(["flux", "mag", "zphot", "energy", "Q", "noise_variance"])),
)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, seed: int, names: set[str]) -> None:
    path = tmp_path_factory.mktemp("trip") / "a.dat"
    rng = np.random.default_rng(seed)
    n, rows = int(rng.integers(1, 6)), int(rng.integers(1, 40))
    detector = image_detector("mine", ("i",), (rows, 7), 0.123456789012345, "nJy", "Größe")
    cells = (rng.normal(size=(n, 7 * rows)) * 10.0 ** rng.integers(-44, 30)).astype(np.float32)
    cells[0, 0] = -0.0
    conditions = {name: rng.uniform(0, 1, n) ** 30 + 1e-300 for name in names}
    overflow = rng.normal(size=(n, 1)) if seed % 2 else None
    events = Events(cells, conditions, detector, overflow, {"history": "λ" * 5000, "seed": "1"})
    write(path, events, format="cosmos-fits")
    assert {entry.name for entry in path.parent.iterdir()} == {"a.dat", "a_images.fits"}
    assert_same(events, read(path), rtol=0)


def test_in_parts_and_append(tmp_path: Path) -> None:
    make(tmp_path)
    path = tmp_path / "b.fits"
    events = read(tmp_path / "a.fits")
    with writing(path, events) as add:
        add(events[:1])
        add(events[1:])
    write(path, events[:2], append=True)
    back = read(path)
    np.testing.assert_array_equal(back.cells, np.concatenate([events.cells, events.cells[:2]]))
    np.testing.assert_array_equal(back.conditions["mag"][3:], events.conditions["mag"][:2])
    assert inspect(path).format == "cosmos-fits"
    other = image_detector("x", ("i",), (4, 4), 0.03, "count/s")
    with pytest.raises(DetectorError, match="leave the detector out: the file carries its own"):
        read(path, detector=other)


def test_names_of_stamps_are_ascii(tmp_path: Path) -> None:
    events = Events(np.ones((2, 4096)), {}, load_detector("cosmos-64"))
    with pytest.raises(OutputError, match=r"names its stamps 'é_images.fits' in ASCII"):
        write(tmp_path / "é.fits", events)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_writing_fails(tmp_path: Path) -> None:
    make(tmp_path)
    events = read(tmp_path / "a.fits")
    write(tmp_path / "b.fits", events)
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}

    def fail() -> None:
        with writing(tmp_path / "b.fits", events) as add:
            add(events)
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"cannot write '.*b_images.fits': No space left"):
        fail()
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before


def test_the_same_events_give_the_same_bytes(tmp_path: Path) -> None:
    make(tmp_path)
    events = read(tmp_path / "a.fits")
    for folder in ("one", "two"):
        write(tmp_path / folder / "b.fits", events)
    for name in ("b.fits", "b_images.fits"):
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == two


def test_astropy_is_not_needed_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys, phys_gan.data; sys.exit('astropy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    make(tmp_path)
    events = read(tmp_path / "a.fits")
    for name in [name for name in sys.modules if name.split(".")[0] == "astropy"]:
        monkeypatch.setitem(sys.modules, name, None)
    needs = r"is a FITS file, which needs astropy .*; install them with: pip install 'phys_gan\[gal"
    with pytest.raises(MissingError, match=needs):
        read(tmp_path / "a.fits")
    with pytest.raises(MissingError, match=needs):
        write(tmp_path / "b.fits", events)
    assert not (tmp_path / "b.fits").exists()


def test_galsim_reads_the_same_stamps(tmp_path: Path) -> None:
    galsim = pytest.importorskip("galsim")
    path = cosmos()
    theirs = galsim.RealGalaxyCatalog(path.name, dir=str(path.parent))
    events = read(path)
    assert events.detector.layers[0].shape == (190, 190)
    for k in range(0, 100, 9):
        image = theirs.getGalImage(k)
        middle = [slice(95 - n // 2, 95 - n // 2 + n) for n in image.array.shape]
        np.testing.assert_array_equal(events.layer(0)[k][middle[0], middle[1]], image.array)
        assert image.scale == events.detector.layers[0].pixel_scale
    np.testing.assert_array_equal(events.conditions["flux"], theirs.stamp_flux)
    theirs.close()
    # And the catalogue that we write.
    write(tmp_path / "b.fits", events)
    ours = galsim.RealGalaxyCatalog("b.fits", dir=str(tmp_path))
    np.testing.assert_array_equal(ours.getGalImage(7).array, events.layer(0)[7])
    np.testing.assert_array_equal(ours.stamp_flux, events.conditions["flux"])
    np.testing.assert_array_equal(ours.mag, events.conditions["mag"])
    assert len(ours) == 100
    ours.close()


def test_the_sample() -> None:
    path = cosmos()
    events = read(path, detector="cosmos-64")
    assert events.overflow is not None
    total = events.total_energy() + events.overflow[:, 0]
    assert np.corrcoef(events.conditions["flux"], total)[0, 1] > 0.9995
    # The unit: a source of magnitude 25.94 gives 1 count/s.
    magnitude = 25.94 - 2.5 * np.log10(events.conditions["flux"])
    assert abs(np.median(magnitude - events.conditions["mag"])) < 0.05
    assert (
        0.09 < events.conditions["flux_radius"].min() < events.conditions["flux_radius"].max() < 1
    )
    assert events.conditions["zphot"].min() > 0.05
    # Galaxies are in the middle.
    rows = events.layer(0).sum(axis=2).argmax(axis=1)
    assert np.abs(np.median(rows) - 31.5) <= 1
