"""What is said of inputs that are not what is wanted: the remedy must be the right one."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import shlex
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import phys_gan as pg
from helpers import wrong
from phys_gan.detectors import Detector
from phys_gan.errors import DataError, DetectorError

Run = Callable[..., tuple[int, str, str]]

SAMPLE = Path(__file__).parents[2] / "datasets" / "geant4_calogan_eplus.h5"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return sound files by their ending."""
    folder = tmp_path_factory.mktemp("sound")
    events = pg.read(SAMPLE)[:20]
    for ending in ("h5", "root"):
        pg.write(folder / f"my showers.{ending}", events)
    return {ending: folder / f"my showers.{ending}" for ending in ("h5", "root")}


# Packed files.


def with_gzip(path: Path, out: Path) -> None:
    out.write_bytes(gzip.compress(path.read_bytes()))


def with_bzip2(path: Path, out: Path) -> None:
    out.write_bytes(bz2.compress(path.read_bytes()))


def with_xz(path: Path, out: Path) -> None:
    out.write_bytes(lzma.compress(path.read_bytes()))


def with_zip(path: Path, out: Path) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(path, path.name)


def with_tar(path: Path, out: Path) -> None:
    mode = "w:gz" if out.suffix in (".gz", ".tgz") else "w"
    with tarfile.open(out, mode) as file:
        file.add(path, path.name)


PACKED: dict[str, tuple[str, Callable[[Path, Path], None], str]] = {
    "gzip": (".gz", with_gzip, "is packed with gzip; unpack it first: gunzip -k "),
    "bzip2": (".bz2", with_bzip2, "is packed with bzip2; unpack it first: bunzip2 -k "),
    "xz": (".xz", with_xz, "is packed with xz; unpack it first: unxz -k "),
    "zip": (".zip", with_zip, "is packed with zip; unpack it first: unzip "),
    "tar": (".tar", with_tar, "is packed with tar; unpack it first: tar -xf "),
    "tar.gz": (".tar.gz", with_tar, "is packed with gzip; unpack it first: tar -xf "),
    "no ending": ("", with_gzip, "is packed with gzip; unpack it first: gunzip -c < "),
}


@pytest.mark.parametrize("ending", ["h5", "root"])
@pytest.mark.parametrize("case", PACKED)
def test_packed_files_are_unpacked_as_advised(
    tmp_path: Path, run: Run, sound: dict[str, Path], case: str, ending: str
) -> None:
    more, pack, words = PACKED[case]
    path = tmp_path / f"{sound[ending].name}{more}"
    pack(sound[ending], path)
    for command in (
        ("inspect", path),
        ("convert", path, tmp_path / "out.h5"),
        ("validate", path, SAMPLE, "--out", tmp_path / "out"),
        ("train", "showers", "--data", path, "--out", tmp_path / "out"),
    ):
        said = run(*command)
        wrong(said, f"'{path}' {words}")
    before = set(tmp_path.iterdir())
    assert before == {path}
    advised = said[2].strip().partition("first: ")[2]
    if shutil.which(advised.split()[0]) is None:
        pytest.skip(f"{advised.split()[0]} is not installed")
    subprocess.run(advised, shell=True, cwd=tmp_path, check=True, capture_output=True)
    (new,) = set(tmp_path.iterdir()) - before
    assert len(pg.read(new)) == 20


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x28\xb5\x2f\xfd" + bytes(99), "is packed with Zstandard; unpack it first: unzstd"),
        (b"\x04\x22\x4d\x18" + bytes(99), "is packed with LZ4; unpack it first: unlz4"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(99), "is packed with 7-Zip; unpack it first: 7z x "),
        (b"\x1f\x9d" + bytes(99), "is packed with compress; unpack it first: gunzip"),
        (b"\x93NUMPY" + bytes(99), "is neither HDF5, ROOT nor FITS"),
    ],
)
def test_other_packed_files(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(words)):
        pg.read(path)


def test_what_only_looks_packed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", np.ones(3))
    with pytest.raises(DataError, match="is neither HDF5, ROOT nor FITS, not a data file"):
        pg.read(tmp_path / "a.npz")
    # HDF5 may stand behind anything.
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=512) as file:
        cells = np.ones((3, 504), np.float32)
        file.update({"incident_energies": np.full((3, 1), 504.0), "showers": cells})
    with (tmp_path / "a.h5").open("r+b") as raw:
        raw.write(b"\x1f\x8b")
    assert len(pg.read(tmp_path / "a.h5")) == 3


# Different numbers of events.


SMALL = Detector.from_toml(
    'name = "small"\n[[layers]]\nkind = "polar"\nz = [0.0, 1.0]\nr = [0.0, 1.0, 3.0]\nn_alpha = 3\n'
)


def showerdata(file: h5py.File, energies: int, showers: int) -> None:
    file["energies"] = np.ones((energies, 1))
    lists = file.create_dataset("showers", (showers,), h5py.vlen_dtype(np.float32))
    lists[:] = [np.array([0.5, 0.5, 0.0, 0.1], np.float32)] * showers


def layers(file: h5py.File, energies: int, showers: int) -> None:
    file["energy"] = np.ones((energies, 1))
    for k, shape in enumerate([(3, 96), (12, 12), (12, 6)]):
        file[f"layer_{k}"] = np.ones((showers, *shape), np.float32)


def filled(**shapes: tuple[int, ...]) -> Callable[[h5py.File, int, int], None]:
    """Return what fills data sets; of their shapes, -1 is for energies and -2 for showers."""

    def fill(file: h5py.File, energies: int, showers: int) -> None:
        for name, shape in shapes.items():
            file[name] = np.ones([{-1: energies, -2: showers}.get(n, n) for n in shape])

    return fill


CLOUD = {"energy": (-1, 1), "events": (-2, 5, 4)}
NUMBERS: dict[str, tuple[Callable[[h5py.File, int, int], object], str]] = {
    "CaloGAN": (layers, "data set 'layer_0' has 60 events, but 'energy' has 50; store the same"),
    "CaloGAN, overflow": (
        lambda file, a, b: (layers(file, a, a), file.update({"overflow": np.ones((b, 3))})),
        "data set 'overflow' has 60 events, but the rest of the file has 50",
    ),
    "CaloChallenge": (
        filled(incident_energies=(-1, 1), showers=(-2, 504)),
        "there are 50 values of 'energy' for 60 events; give one per event",
    ),
    "Par04": (
        filled(incident_energy=(-1,), showers=(-2, 9, 16, 45)),
        "there are 50 values of 'energy' for 60 events; give one per event",
    ),
    "ShowerData": (showerdata, "data set 'showers' has 60 events, but 'energies' has 50"),
    "ShowerData, directions": (
        lambda file, a, b: (showerdata(file, a, a), file.update({"directions": np.ones((b, 3))})),
        "data set 'directions' has 60 events, but 'energies' has 50",
    ),
    "CaloClouds": (filled(**CLOUD), "data set 'events' has 60 events, but 'energy' has 50"),
    "CaloClouds, directions": (
        filled(energy=(-1,), events=(-1, 5, 4), p_norm_local=(3, -2)),
        "data set 'p_norm_local' has 60 events, but 'energy' has 50",
    ),
    "Galaxy10": (
        filled(ans=(-1,), images=(-2, 69, 69, 3)),
        "data set 'ans' has 50 events, but 'images' has 60; store the same events in both",
    ),
    "GalaxiesML": (
        filled(specz_redshift=(-1,), image=(-2, 5, 8, 8)),
        "data set 'specz_redshift' has 50 events, but 'image' has 60",
    ),
}


@pytest.mark.parametrize("layout", NUMBERS)
def test_numbers_of_events_that_differ(tmp_path: Path, run: Run, layout: str) -> None:
    fill, words = NUMBERS[layout]
    path, options = tmp_path / "a.h5", list[str]()
    with h5py.File(path, "w") as file:
        fill(file, 50, 60)
    if layout.startswith(("Shower", "CaloClouds")):
        SMALL.save(tmp_path / "small.toml")
        options = ["--detector", str(tmp_path / "small.toml")]
    for command in (("inspect", path), ("convert", path, tmp_path / "b.h5")):
        said = run(*command, *options)
        wrong(said, f"'{path}': {words}")
        assert "name the detector" not in said[2]


def test_a_layer_of_another_shape_is_one_of_another_detector(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["energy"] = np.ones((50, 1))
        file["layer_0"] = np.ones((60, 4, 4))
    with pytest.raises(DetectorError, match=r"'layer_0' has shape .60, 4, 4., but detector"):
        pg.read(tmp_path / "a.h5")


# Binnings of several particles.

BIN = '<Bin pid="{}" name="{}"><Layer id="0" r_edges="0,1,2" n_bin_alpha="252"/></Bin>'


def test_one_of_the_particles_of_a_binning_is_named_as_advised(tmp_path: Path, run: Run) -> None:
    binning, data = tmp_path / "two particles.xml", tmp_path / "a.h5"
    binning.write_text(f"<Bins>{BIN.format(22, 'photon')}{BIN.format(211, 'pion')}</Bins>")
    with h5py.File(data, "w") as file:
        cells = np.ones((3, 504), np.float32)
        file.update({"incident_energies": np.full((3, 1), 504.0), "showers": cells})
    said = run("inspect", data, "--detector", binning)
    wrong(said, f"'{binning}' has 2 binnings, each of a particle: it holds photon, pion; name the")
    advised = re.search("such as '(.*)'$", said[2].strip())
    assert advised
    code, out, _ = run("inspect", data, "--detector", advised[1])
    assert code == 0
    assert "photon (504 cells in 1 layer)" in out
    wrong(run("inspect", data, "--detector", f"{binning}:muon"), "the particle 'muon': it holds")
    for command in ("inspect", "convert", "train", "validate", "simulate"):
        _, out, _ = run(command, "--help")
        assert "file.xml:pion" in out.replace("\n", "").replace(" ", "").replace("│", "")


# Commands in remedies.


def test_links_into_another_file_name_the_command_that_resolves_them(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "my file.h5", "w") as file:
        file["energy"] = h5py.ExternalLink("other.h5", "/energy")
    with pytest.raises(DataError) as caught:
        pg.read(tmp_path / "my file.h5")
    command = shlex.split(str(caught.value).partition("one file: ")[2])
    assert command == ["h5repack", "--merge", str(tmp_path / "my file.h5"), "OUT.h5"]
