from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import uproot

from phys_gan.data import inspect, read, write
from phys_gan.data.containers import hdf5
from phys_gan.detectors import load_detector
from phys_gan.errors import DataError, DetectorError, MissingError, PhysGanError
from phys_gan.events import Events

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "datasets" / "geant4_calogan_eplus.h5"
SHARED = REPOSITORY.parent / "shared" / "data" / "geant4"


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs {name}")
    return path


@pytest.fixture(scope="module")
def geant4() -> Events:
    return read(SAMPLE)[:20]


def test_the_sample() -> None:
    events = read(SAMPLE)
    with h5py.File(SAMPLE) as file:
        for k in range(3):
            np.testing.assert_array_equal(events.layer(k), file[f"layer_{k}"][:])
        expected = 1000 * file["energy"][:, 0].astype(float)
        np.testing.assert_allclose(events.energy, expected, rtol=1e-15)
        np.testing.assert_array_equal(events.overflow, file["overflow"][:])
    assert events.detector == load_detector("calogan")
    assert events.provenance == {
        "particle": "e+",
        "simulator": "Geant4 11.4.1 (geant4-pybind 0.1.3)",
        "physics": "em-analytic",
        "cut": "0.7 mm",
        "seed": "101",
        "version": "0.1.0",
    }
    # All deposits are summed, so nearly all of the energy is there.
    assert np.mean(events.total_energy() / events.energy) == pytest.approx(0.9963, abs=0.0003)


def test_an_rntuple_in_calogan_layout() -> None:
    path = shared("calogan_eplus.root")
    events = read(path)
    with uproot.open(path) as file:
        bare = file["fancy_tree"].arrays(library="np")
    for number in (0, 287, 288, 503):
        np.testing.assert_array_equal(
            events.cells[:, number], bare[f"cell_{number}"].astype(np.float32)
        )
    assert events.overflow is not None
    np.testing.assert_array_equal(events.overflow[:, 2], bare["cell_506"].astype(np.float32))
    np.testing.assert_allclose(events.energy, 1000 * bare["TotalEnergy"], rtol=1e-15)
    assert len(read(f"{path}:fancy_tree")) == len(events) == 1000


def test_a_foreign_calochallenge_file() -> None:
    events = read(shared("calochallenge2_electron.h5"))
    assert events.detector.name == "calochallenge-2"
    assert (len(events), events.layer(44).shape) == (2000, (2000, 16, 9))
    assert events.provenance["particle"] == "e-"


def test_several_files_and_patterns(geant4: Events, tmp_path: Path) -> None:
    write(tmp_path / "a.h5", geant4[:5])
    write(tmp_path / "b.root", geant4[5:9])
    write(tmp_path / "c.h5", geant4[9:], format="calochallenge-hdf5")
    for paths in (str(tmp_path / "*"), [tmp_path / "a.h5", tmp_path / "b.root", tmp_path / "c.h5"]):
        events = read(paths)
        np.testing.assert_array_equal(events.cells, geant4.cells)
        np.testing.assert_allclose(events.energy, geant4.energy, rtol=1e-12)


def test_files_of_two_detectors(geant4: Events, tmp_path: Path) -> None:
    write(tmp_path / "a.h5", geant4)
    image = Events(np.ones((2, 1024)), {}, load_detector("galaxies-32"))
    write(tmp_path / "b.h5", image)
    with pytest.raises(DetectorError, match="cannot join events of 'calogan' and 'galaxies-32'"):
        read([tmp_path / "a.h5", tmp_path / "b.h5"])


def test_a_given_detector_replaces_the_stored_one(geant4: Events, tmp_path: Path) -> None:
    mine = geant4.detector.model_copy(update={"name": "mine", "threshold": 2.0})
    write(tmp_path / "a.h5", geant4)
    assert read(tmp_path / "a.h5", detector=mine).detector == mine
    mine.save(tmp_path / "mine.toml")
    assert read(tmp_path / "a.h5", detector=tmp_path / "mine.toml").detector == mine


def test_declared_units_are_honoured(geant4: Events, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["incident_energies"] = geant4.energy[:, np.newaxis] / 1e6
        file["showers"] = geant4.cells.astype(float) / 1000
        file["overflow"] = np.ones((20, 3))
        file.attrs["energy_unit"] = np.bytes_("TeV")
        file.attrs["cell_unit"] = "GeV"
        file.attrs["numbers"] = np.array([1, 2])
    events = read(path)
    np.testing.assert_allclose(events.cells, geant4.cells, rtol=1e-6)
    np.testing.assert_allclose(events.energy, geant4.energy, rtol=1e-12)
    np.testing.assert_array_equal(events.overflow, 1000)
    assert events.provenance == {"numbers": "1, 2"}


def test_another_layered_detector_in_calogan_form(tmp_path: Path) -> None:
    detector = load_detector("calochallenge-1-photons")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["energy"] = [8.0, 16.0]
        for k, layer in enumerate(detector.layers):
            file[f"layer_{k}"] = np.full((2, *layer.shape), 20.0 + k)
    events = read(tmp_path / "a.h5", detector="calochallenge-1-photons")
    np.testing.assert_array_equal(events.energy, [8000, 16000])
    np.testing.assert_array_equal(events.cells[0], 20.0 + detector.layer_of_cell)


# Bad input: each one sentence that names the file.


def calogan(n: int = 4, **changes: Any) -> Callable[[Path], None]:
    """Return what writes a small foreign CaloGAN file with some data sets changed or left out."""

    def make(path: Path) -> None:
        rng = np.random.default_rng(0)
        content: dict[str, Any] = {
            "energy": np.full((n, 1), 5.0),
            "layer_0": rng.random((n, 3, 96)) * 20,
            "layer_1": rng.random((n, 12, 12)) * 20,
            "layer_2": rng.random((n, 12, 6)),
        }
        with h5py.File(path, "w") as file:
            for name, values in {**content, **changes}.items():
                if values is not None:
                    file[name] = values

    return make


def challenge(energies: Any, showers: Any) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file["incident_energies"] = energies
            file["showers"] = showers

    return make


def spoilt(value: float) -> np.ndarray:
    layer = np.ones((4, 12, 6))
    layer[2, 3, 4] = value
    return layer


def text_file(path: Path) -> None:
    path.write_text("not a data file\n")


def cut(share: float) -> Callable[[Path], None]:
    content = SAMPLE.read_bytes()
    return lambda path: path.write_bytes(content[: int(share * len(content))]) and None


BAD_HDF5: dict[str, tuple[Callable[[Path], Any], type[PhysGanError], str]] = {
    "empty": (Path.touch, DataError, "is empty (0 bytes)"),
    "text": (text_file, DataError, "is text, not a data file"),
    "folder": (Path.mkdir, DataError, "is a folder"),
    "missing": (lambda path: None, MissingError, "there is no file"),
    "cut at 10 bytes": (cut(10.5 / SAMPLE.stat().st_size), DataError, "is damaged or cut short"),
    "cut in half": (cut(0.5), DataError, "the HDF5 file is damaged or cut short (Unable to"),
    "cut at the end": (cut(0.9999), DataError, "damaged or cut short"),
    "no data sets": (
        calogan(energy=None, layer_0=None, layer_1=None, layer_2=None),
        MissingError,
        "it holds no data set; phys_gan knows calogan-hdf5",
    ),
    "other data sets": (
        calogan(energy=None, energies=np.ones(4)),
        MissingError,
        "'calogan-hdf5' needs 'energy' (nearest: 'energies'); rename",
    ),
    "a layer is missing": (
        calogan(layer_1=None, layer1=np.ones(4)),
        MissingError,
        "has no data set 'layer_1' (nearest: 'layer1', 'layer_2', 'layer_0'); it holds 'energy'",
    ),
    "other shape": (
        calogan(layer_1=np.ones((4, 12, 11))),
        DetectorError,
        "'layer_1' has shape (4, 12, 11), but detector 'calogan' and the energies need (4, 12, 12)",
    ),
    "other number of events": (
        calogan(energy=np.ones(3)),
        DataError,
        "data set 'layer_0' has 4 events, but 'energy' has 3; store the same events in both",
    ),
    "energies of two columns": (
        calogan(energy=np.ones((4, 2))),
        DataError,
        "data set 'energy' has shape (4, 2), but must be (N, 1)",
    ),
    "scalar energy": (calogan(energy=5.0), DataError, "has shape (), but must be (N, 1)"),
    "words": (calogan(energy=["a"] * 4), DataError, "does not hold numbers in data set 'energy'"),
    "overflow of two layers": (
        calogan(overflow=np.ones((4, 2))),
        DataError,
        "'overflow' has shape (4, 2), but must be (4, 3)",
    ),
    "NaN": (calogan(layer_2=spoilt(np.nan)), DataError, "NaN or infinite values in 1 of 4 events"),
    "infinite": (calogan(layer_2=spoilt(np.inf)), DataError, "(first: event 2)"),
    "negative": (calogan(layer_2=spoilt(-1)), DataError, "negative energies in 1 of 4 events"),
    "energy NaN": (calogan(energy=[1, 2, np.nan, 4]), DataError, "condition 'energy' hold NaN"),
    "energy zero": (calogan(energy=[1, 2, 0, 4]), DataError, "an incident energy is 0 MeV"),
    "no events": (calogan(n=0), DataError, "it holds no events"),
    "energies in MeV": (
        calogan(energy=np.full(4, 5000.0)),
        DataError,
        "the incident energies look like MeV where GeV is expected",
    ),
    "energies in GeV": (
        challenge(np.full((4, 1), 5.0), np.full((4, 504), 10.0)),
        DataError,
        "the incident energies look like GeV where MeV is expected",
    ),
    "unknown voxels": (
        challenge(np.ones((4, 1)), np.ones((4, 100))),
        DetectorError,
        "has 100 voxels, which no built-in detector has: 368 (calochallenge-1-photons), 504",
    ),
    "showers of three axes": (
        challenge(np.ones((4, 1)), np.ones((4, 45, 144))),
        DataError,
        "'showers' has shape (4, 45, 144), but must be (N, n_voxels)",
    ),
    "too few energies": (
        challenge(np.ones((3, 1)), np.ones((4, 504))),
        DataError,
        "there are 3 values of 'energy' for 4 events",
    ),
}


@pytest.mark.parametrize("case", BAD_HDF5)
def test_bad_hdf5(case: str, tmp_path: Path) -> None:
    make, kind, sentence = BAD_HDF5[case]
    path = tmp_path / "bad.h5"
    make(path)
    for function in (read, inspect):
        with pytest.raises(kind) as caught:
            function(path)
        message = str(caught.value)
        assert sentence in message
        assert str(path) in message
        assert "\n" not in message
        assert caught.value.remedy


def test_wrong_detectors(geant4: Events, tmp_path: Path) -> None:
    ours, foreign, layers = tmp_path / "ours.h5", tmp_path / "foreign.h5", tmp_path / "layers.h5"
    write(ours, geant4)
    with pytest.raises(DetectorError, match=r"belong to detector 'calogan' \(504 cells in 3 lay"):
        read(ours, detector="calochallenge-2")
    challenge(np.ones((4, 1)), np.ones((4, 533)))(foreign)
    sentence = "has 533 voxels, but .* has 6480; name another detector, such as 'calochallenge-1-p"
    with pytest.raises(DetectorError, match=sentence):
        read(foreign, detector="calochallenge-2")
    calogan()(layers)
    with pytest.raises(DetectorError, match=r"'layer_0' has shape .* 'calochallenge-2'"):
        read(layers, detector="calochallenge-2")
    with pytest.raises(DetectorError, match="'nosuch' is not a detector"):
        read(layers, detector="nosuch")


def test_a_stored_detector_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    calogan()(path)
    with h5py.File(path, "a") as file:
        file.attrs["phys_gan_detector"] = "name = 3"
    with pytest.raises(DetectorError, match=r"a\.h5: phys_gan_detector' is not a detector"):
        read(path)


def test_an_unknown_unit(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    calogan()(path)
    with h5py.File(path, "a") as file:
        file.attrs["energy_unit"] = "parsec"
    with pytest.raises(DataError, match="the energy unit 'parsec' is not known; give one of"):
        read(path)


def test_damage_in_the_middle(geant4: Events, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write(path, geant4)
    content = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        start = file["layer_1"].id.get_chunk_info(0).byte_offset
    content[start : start + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(DataError, match="the HDF5 file is damaged or cut short"):
        read(path)


def test_more_than_any_file_of_this_size_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    n = 10**14
    with h5py.File(path, "w") as file:
        file.create_dataset("incident_energies", (n, 1), "f4", chunks=(1000, 1))
        file.create_dataset("showers", (n, 504), "f4", chunks=(1000, 504))
    with pytest.raises(DataError, match=r"declares 2.02e\+17 bytes in a file of 1,672; copy or"):
        read(path)


def test_more_than_any_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.h5"
    calogan()(path)

    def full(*shape: object) -> None:
        raise MemoryError

    monkeypatch.setattr(hdf5, "read_rows", full)
    with pytest.raises(DataError, match="its events do not fit into memory; split the file"):
        read(path)


def test_a_named_format_is_not_questioned(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    calogan()(path)
    assert len(read(path, format="calogan-hdf5")) == 4
    with pytest.raises(MissingError, match="has no data set 'showers'; it holds 'energy', 'layer"):
        read(path, format="calochallenge-hdf5")
    with pytest.raises(DataError, match="is a HDF5 file, but format 'calogan-root' is ROOT"):
        read(path, format="calogan-root")
    with pytest.raises(MissingError, match="'nosuch' is not a format; available: calogan-hdf5"):
        read(path, format="nosuch")
