"""Events that agree: read-outs that make sums agree, and events that really come twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import phys_gan as pg
from helpers import geant4
from phys_gan.data import split_files
from phys_gan.errors import Notice
from phys_gan.workflows.training import load_or_stream


def rng() -> np.random.Generator:
    return np.random.default_rng(20)


def calogan(path: Path, cells: np.ndarray, energy: np.ndarray) -> Path:
    """Write showers as CaloGAN's tools do: deposits in MeV, energies [GeV] as a column."""
    shapes, edges = [(3, 96), (12, 12), (12, 6)], np.cumsum([0, 288, 144, 72])
    with h5py.File(path, "w") as file:
        file["energy"] = np.asarray(energy, float).reshape(-1, 1)
        for k, shape in enumerate(shapes):
            layer = cells[:, edges[k] : edges[k + 1]]
            file[f"layer_{k}"] = layer.reshape(-1, *shape).astype(np.float32)
    return path


def copies_said(path: Path, **options: str) -> list[str]:
    """Return what inspecting a file says of copies."""
    return [text for text in pg.inspect(path, **options).warnings if "copies" in text]


def split_in_five(path: Path, **options: str) -> tuple[pg.Events, pg.Events]:
    """Split a file into 4/5 and 1/5; in memory and from file to file it must be the same."""
    sample = pg.read(path, **options)
    outs = [path.with_name("learn.h5"), path.with_name("test.h5")]
    split_files(path, outs, [0.8, 0.2], seed=1, **options)
    learn, test = pg.split(sample, [0.8, 0.2], seed=1)
    for part, out in zip((learn, test), outs, strict=True):
        np.testing.assert_array_equal(pg.read(out).cells, part.cells)
    assert not rows(learn) & rows(test)
    return learn, test


def rows(events: pg.Events) -> set[bytes]:
    return {row.tobytes() for row in events.cells if row.any()}


def ones(n: int, n_hits: int) -> np.ndarray:
    cells = np.zeros((n, 504), np.float32)
    random = rng()
    for row in cells:
        row[random.choice(504, n_hits, replace=False)] = 1
    return cells


def digital() -> tuple[np.ndarray, np.ndarray]:
    """100 of 504 cells are hit, with 1 each: all events have one sum."""
    return ones(400, 100), np.full(400, 20.0)


def photons() -> tuple[np.ndarray, np.ndarray]:
    """Counts of photons that are shared by the cells, at 20 GeV always 5,000."""
    return rng().multinomial(5000, np.full(504, 1 / 504), 400), np.full(400, 20.0)


def proportional() -> tuple[np.ndarray, np.ndarray]:
    """Three energies, and a sum of exactly 1 % of each."""
    random = rng()
    energy = random.permutation(np.repeat([1.0, 10.0, 100.0, 1.0], 100))
    counts = [random.multinomial(int(10 * e), np.full(504, 1 / 504)) for e in energy]
    return np.array(counts), energy


@pytest.mark.parametrize("make", [digital, photons, proportional])
def test_sums_that_agree_make_no_copies(
    tmp_path: Path, make: Callable[[], tuple[np.ndarray, np.ndarray]]
) -> None:
    path = calogan(tmp_path / "a.h5", *make())
    assert copies_said(path) == []
    learn, test = split_in_five(path)
    assert (len(learn), len(test)) == (320, 80)
    for energy in np.unique(learn.energy):
        assert np.sum(test.energy == energy) * 4 == np.sum(learn.energy == energy)


def test_equal_sums_have_no_error(tmp_path: Path) -> None:
    lines = pg.inspect(calogan(tmp_path / "a.h5", *digital())).lines()
    assert "E_tot/E_inc  0.005 (mean)" in lines


def test_pictures_of_bytes_with_a_class(tmp_path: Path) -> None:
    path = tmp_path / "Galaxy10.h5"
    random = rng()
    pixels = random.integers(0, 256, 69 * 69 * 3).astype(np.uint8)
    images = np.array([random.permutation(pixels).reshape(69, 69, 3) for _ in range(100)])
    with h5py.File(path, "w") as file:
        file["images"], file["ans"] = images, np.arange(100, dtype=np.uint8) % 2
    assert copies_said(path) == []
    learn, test = split_in_five(path)
    for part, n in ((learn, 40), (test, 10)):
        assert np.bincount(part.conditions["ans"].astype(int)).tolist() == [n, n]


def test_stamps_of_one_flux(tmp_path: Path) -> None:
    """The same star many times, each with its own noise of counting: the flux is fixed."""
    axis = np.arange(32) - 15.5
    star = np.exp(-(axis[:, None] ** 2 + axis**2) / 18).ravel()
    counts = rng().multinomial(10_000, star / star.sum(), 200).astype(np.float32)
    conditions = {"flux": np.full(200, 10_000.0), "mag": np.full(200, 20.0)}
    pg.write(tmp_path / "a.h5", pg.Events(counts, conditions, pg.load_detector("galaxies-32")))
    assert copies_said(tmp_path / "a.h5") == []
    assert list(map(len, split_in_five(tmp_path / "a.h5"))) == [160, 40]


@pytest.mark.parametrize("order", ["one after the other", "file after file", "mixed"])
def test_each_event_four_times(tmp_path: Path, order: str) -> None:
    numbers = {
        "one after the other": np.repeat(np.arange(100), 4),
        "file after file": np.tile(np.arange(100), 4),
        "mixed": rng().permutation(np.repeat(np.arange(100), 4)),
    }[order]
    sample = geant4()[numbers]
    path = calogan(tmp_path / "a.h5", sample.cells, sample.energy / 1000)
    assert copies_said(path) == ["300 of 400 events are copies of others"]
    learn, test = split_in_five(path)
    assert (len(learn), len(test)) == (320, 80)
    assert (len(rows(learn)), len(rows(test))) == (80, 20)


def test_a_percent_of_exact_repeats(tmp_path: Path) -> None:
    sample = geant4()[np.concatenate([np.arange(990), np.arange(10)])]
    path = calogan(tmp_path / "a.h5", sample.cells, sample.energy / 1000)
    assert copies_said(path) == ["10 of 1000 events are copies of others"]
    learn, test = split_in_five(path)
    assert (len(learn), len(test)) == (800, 200)
    assert len(rows(learn)) + len(rows(test)) == 990


@pytest.mark.parametrize("times", [2, 30, 300])
def test_one_event_very_often(tmp_path: Path, times: int) -> None:
    sample = geant4()[np.concatenate([np.zeros(times, int), np.arange(1, 401 - times)])]
    path = calogan(tmp_path / "a.h5", sample.cells, sample.energy / 1000)
    assert copies_said(path) == [f"{times - 1} of 400 events are copies of others"]
    assert list(map(len, split_in_five(path))) == [320, 80]


def test_what_no_split_can_put_right_is_said(tmp_path: Path) -> None:
    sample = geant4()[np.concatenate([np.zeros(300, int), np.arange(1, 101)])]
    with pytest.warns(Notice, match="instead of 200 and 200: copies stay together, and one event"):
        parts = pg.split(sample, [0.5, 0.5], seed=1)
    # All that is different is in the other part, but for the ends of the energies.
    assert sorted(len(rows(part)) for part in parts) in ([1, 100], [2, 99], [3, 98])


def test_cells_alone_decide(tmp_path: Path) -> None:
    """A join by the wrong key: the same showers once more with the energies of others."""
    showers = geant4()[:100]
    energy = np.concatenate([showers.energy, np.roll(showers.energy, 1)]) / 1000
    path = calogan(tmp_path / "a.h5", np.tile(showers.cells, (2, 1)), energy)
    said = "100 of 200 events are copies of others, 100 of them with other conditions"
    assert copies_said(path) == [said]
    assert list(map(len, split_in_five(path))) == [160, 40]


def test_the_sign_of_zero_and_the_last_bit(tmp_path: Path) -> None:
    """0.0 and -0.0 are one number; the next larger number is another."""
    cells = geant4()[:50].cells
    signed = np.where(cells == 0, np.float32(-0.0), cells)
    energy = geant4()[:50].energy / 1000
    path = calogan(tmp_path / "a.h5", np.concatenate([cells, signed]), np.tile(energy, 2))
    assert copies_said(path) == ["50 of 100 events are copies of others"]
    assert list(map(len, split_in_five(path))) == [80, 20]
    path = calogan(tmp_path / "a.h5", np.full((2, 504), -0.0), [1, 1])
    assert copies_said(path) == []
    close = np.where(cells == cells.max(axis=1, keepdims=True), np.nextafter(cells, 1e9), cells)
    path = calogan(tmp_path / "b.h5", np.concatenate([cells, close]), np.tile(energy, 2))
    assert copies_said(path) == []


def test_events_without_a_signal(tmp_path: Path) -> None:
    showers = geant4()[:400]
    cells = np.where(np.arange(400)[:, None] < 200, showers.cells, 0)
    path = calogan(tmp_path / "a.h5", cells, showers.energy / 1000)
    assert pg.inspect(path).warnings == ["200 of 400 events have no signal in any cell"]
    learn, test = pg.split(pg.read(path), [0.8, 0.2], seed=1)
    assert (len(learn), len(test)) == (320, 80)


def test_few_hits_are_the_same_by_chance(tmp_path: Path) -> None:
    """One hit of 504 cells: what cannot be told apart stays together, and the shares are right."""
    path = calogan(tmp_path / "a.h5", ones(2000, 1), np.full(2000, 0.05))
    n = len(np.unique(pg.read(path).cells, axis=0))
    assert copies_said(path) == [f"{2000 - n} of 2000 events are copies of others"]
    assert list(map(len, split_in_five(path))) == [1600, 400]


@pytest.mark.parametrize("name", ["toy-gaussian", "toy-ring", "toy-grid"])
def test_toys(tmp_path: Path, name: str) -> None:
    """Draws of few coordinates agree in their sum, or in their only number, by chance."""
    path, points = tmp_path / "a.h5", pg.simulate(name, 5000, seed=1)
    pg.write(path, points)
    assert copies_said(path) == []
    assert [len(part) for part in pg.split(points, [0.8, 0.2], seed=1)] == [4000, 1000]
    pg.write(path, points[np.arange(5000) % 1250])
    said = ["3750 of 5000 events are copies of others"]
    assert copies_said(path) == ([] if name == "toy-gaussian" else said)
    assert list(map(len, split_in_five(path))) == [4000, 1000]


def test_points_that_differ_in_one_coordinate(tmp_path: Path) -> None:
    x = np.repeat(np.arange(20.0), 20)
    points = np.stack([x, np.tile(np.arange(20.0), 20)], axis=1)
    pg.write(tmp_path / "a.h5", pg.Events(points, {}, pg.load_detector("toy-ring")))
    assert pg.inspect(tmp_path / "a.h5").warnings == []
    assert list(map(len, split_in_five(tmp_path / "a.h5"))) == [320, 80]


def test_copies_in_several_sources(tmp_path: Path) -> None:
    """The same production under two names and in two layouts, in memory and streamed."""
    showers = geant4()[:200]
    one = calogan(tmp_path / "one.h5", showers.cells, showers.energy / 1000)
    pg.write(tmp_path / "two.root", showers[100:])
    assert copies_said(one) == []
    learn, test = pg.split(pg.read([one, tmp_path / "two.root"]), [0.8, 0.2], seed=1)
    outs = [tmp_path / "learn.h5", tmp_path / "test.h5"]
    assert split_files([one, tmp_path / "two.root"], outs, [0.8, 0.2], seed=1) == [240, 60]
    little = 4 * 4 * 504 * 300 - 1
    shown, held_out, flow, _ = load_or_stream([one, tmp_path / "two.root"], 0.2, 1, memory=little)
    assert flow is not None
    assert not rows(shown) & rows(held_out)
    assert not rows(learn) & rows(test)
    for out, part, sample in zip(outs, (learn, test), (shown, held_out), strict=True):
        assert rows(pg.read(out)) == rows(part) >= rows(sample)
