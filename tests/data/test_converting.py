"""Files to files: block by block, many into one, added to, and nothing lost in silence."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from phys_gan.data import convert, read, write, writing
from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError, OutputError
from phys_gan.events import Events

CALOGAN = load_detector("calogan")


def showers(n: int = 30, seed: int = 0, overflow: bool = True, **conditions: float) -> Events:
    random = np.random.default_rng(seed)
    cells = random.exponential(1.0, (n, 504)).astype(np.float32)
    more = {name: np.full(n, value) for name, value in conditions.items()}
    return Events(
        cells,
        {"energy": cells.sum(axis=1, dtype=float) * 1.1, **more},
        CALOGAN,
        random.random((n, 3)) if overflow else None,
        {"made": f"by seed {seed}"},
    )


def assert_equal(one: Events, two: Events) -> None:
    np.testing.assert_array_equal(one.cells, two.cells)
    assert set(one.conditions) == set(two.conditions)
    for name, values in one.conditions.items():
        np.testing.assert_allclose(two.conditions[name], values, rtol=1e-12)
    assert (one.overflow is None) == (two.overflow is None)
    if one.overflow is not None:
        np.testing.assert_array_equal(one.overflow, two.overflow)
    assert one.provenance == two.provenance


@pytest.mark.parametrize("ending", ["h5", "root"])
def test_many_files_block_by_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr("phys_gan.data.format._BLOCK_CELLS", 504 * 7)
    parts = [showers(20, 1, mass=0.5), showers(11, 2, mass=1.5)]
    write(tmp_path / "1.h5", parts[0])
    write(tmp_path / "2.root", parts[1])
    out = tmp_path / f"out.{ending}"
    assert convert([tmp_path / "1.h5", tmp_path / "2.root"], out) == 31
    assert_equal(read(out), Events.concatenate(parts))
    assert read(out).provenance["made"] == "by seed 1; by seed 2"


def test_particles_become_a_condition(tmp_path: Path) -> None:
    write(tmp_path / "1.h5", showers(4, 1))
    write(tmp_path / "2.h5", showers(3, 2))
    convert([f"{tmp_path}/1.h5@e+", f"{tmp_path}/2.h5@gamma"], tmp_path / "out.root")
    np.testing.assert_array_equal(
        read(tmp_path / "out.root").conditions["pdg"], [-11] * 4 + [22] * 3
    )


def test_overflow_of_some_files_alone(tmp_path: Path) -> None:
    write(tmp_path / "1.h5", showers(4, 1))
    write(tmp_path / "2.h5", showers(3, 2, overflow=False))
    both = [tmp_path / "1.h5", tmp_path / "2.h5"]
    with pytest.raises(DataError, match=r"2.h5' does not know the energy .* --drop overflow"):
        convert(both, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()
    convert(both, tmp_path / "out.h5", drop=["overflow"])
    assert read(tmp_path / "out.h5").overflow is None


def test_what_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", showers(4, 1, mass=1.0))
    convert(tmp_path / "a.h5", tmp_path / "b.root", drop=["mass", "overflow"])
    assert set(read(tmp_path / "b.root").conditions) == {"energy"}
    for name, sentence in [("mas", "no condition 'mas' to leave out; they have energy, mass")]:
        with pytest.raises(MissingError, match=sentence):
            convert(tmp_path / "a.h5", tmp_path / "c.root", drop=[name])
    with pytest.raises(DataError, match="'energy' cannot be left out"):
        convert(tmp_path / "a.h5", tmp_path / "c.root", drop=["energy"])
    assert not (tmp_path / "c.root").exists()


def test_a_bad_file_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "good.h5", showers(4, 1))
    write(tmp_path / "bad.h5", showers(1200, 2))
    with h5py.File(tmp_path / "bad.h5", "r+") as file:
        file["layer_1"][1100, 3, 3] = -1.0
    write(tmp_path / "out.h5", showers(5, 3))
    before = (tmp_path / "out.h5").read_bytes()
    with pytest.raises(DataError, match=r"bad.h5': cells hold negative energies"):
        convert([tmp_path / "good.h5", tmp_path / "bad.h5"], tmp_path / "out.h5")
    assert (tmp_path / "out.h5").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.h5", "good.h5", "out.h5"]


@pytest.mark.parametrize("name", ["a.h5", "a.root"])
def test_events_are_added(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    parts = [showers(200, seed, theta=0.1 * seed) for seed in (1, 2, 3)]
    write(path, parts[0], append=True)
    for part in parts[1:]:
        write(path, part, append=True)
    assert_equal(read(path), Events.concatenate(parts))
    write(tmp_path / "b.h5", parts[0])
    assert convert(tmp_path / "b.h5", path, append=True) == 200
    assert len(read(path)) == 800


def test_events_are_added_to_a_file_of_fixed_length(tmp_path: Path) -> None:
    path, one = tmp_path / "a.h5", showers(20, 1, overflow=False)
    with h5py.File(path, "w") as file:
        file["energy"] = one.energy[:, None] / 1000
        for k in range(3):
            file[f"layer_{k}"] = one.layer(k)
    two = showers(10, 2, overflow=False)
    write(path, two, append=True)
    np.testing.assert_array_equal(read(path).cells, np.concatenate([one.cells, two.cells]))


def _begin_and_break(path: Path) -> None:
    with writing(path, showers(4), append=True) as add:
        add(showers(4, 2))
        raise RuntimeError("power cut")


def test_what_cannot_be_added(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write(path, showers(4, 1))
    before = path.read_bytes()
    other = load_detector("calochallenge-1-photons")
    with pytest.raises(DetectorError, match="holds events of 'calogan', not of 'calochallenge-1-p"):
        write(path, Events(np.ones((2, 368)), {"energy": [400.0, 400]}, other), append=True)
    with pytest.raises(DataError, match=r"holds events with .*, the new ones have"):
        write(path, showers(4, 1, overflow=False), append=True)
    with pytest.raises(DataError, match=r"holds events with .*'overflow'.* have .*'mass'"):
        write(path, showers(4, 1, mass=1.0), append=True)
    with pytest.raises(
        ConfigError, match="has the format 'calogan-hdf5', not 'calochallenge-hdf5'"
    ):
        write(path, showers(4, 1), format="calochallenge-hdf5", append=True)
    with pytest.raises(RuntimeError, match="power cut"):
        _begin_and_break(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.h5"]


def test_a_target_that_cannot_be_written(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", showers(4, 1))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        convert(tmp_path / "a.h5", tmp_path / "file" / "b.h5")


def test_a_file_can_replace_itself(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", showers(4, 1, mass=2.0))
    convert(tmp_path / "a.h5", tmp_path / "a.h5", drop=["mass"])
    assert set(read(tmp_path / "a.h5").conditions) == {"energy"}
