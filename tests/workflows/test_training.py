"""Training from files: held in memory or streamed, with a mapping, a detector, weights."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import phys_gan as pg
from helpers import SMALL_SHOWERS
from phys_gan.data import read, split, streaming, write
from phys_gan.errors import DataError
from phys_gan.workflows import demo_sample, training
from phys_gan.workflows.training import load_or_stream

# Less than the 600 showers need, so that they are streamed.
LITTLE = 4 * 504 * 600


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("showers")
    showers = read(demo_sample())
    write(folder / "a.h5", showers[:350])
    write(folder / "b.root", showers[350:600])
    return [folder / "a.h5", folder / "b.root"]


def test_what_fits_is_read(files: list[Path]) -> None:
    shown, held_out, flow, weights = load_or_stream(files, 0.2, 1)
    assert flow is None
    assert weights is None
    for part, expected in zip((shown, held_out), split(read(files), [0.8, 0.2], 1), strict=True):
        np.testing.assert_array_equal(part.cells, expected.cells)


def test_what_does_not_fit_is_streamed_and_never_leaks(files: list[Path]) -> None:
    sample, held_out, flow, weights = load_or_stream(files, 0.2, 1, memory=LITTLE)
    assert flow is not None
    assert weights is None
    shown, expected = split(read(files), [0.8, 0.2], 1)
    assert set(held_out.energy) <= set(expected.energy)
    assert set(sample.energy) <= set(shown.energy)
    assert sample.energy.min() == shown.energy.min()
    assert sample.energy.max() == shown.energy.max()
    batches = flow(60, 0, 1, 0)
    seen = np.concatenate([next(batches).energy for _ in range(8)])
    np.testing.assert_array_equal(np.sort(seen), np.sort(shown.energy))
    np.testing.assert_array_equal(next(flow(60, 0, 1, 3)).energy, seen[180:240])


def test_copies_in_different_files_never_leak(tmp_path: Path) -> None:
    showers = read(demo_sample())
    write(tmp_path / "a.h5", showers[:350])
    write(tmp_path / "b.h5", showers[[*range(300, 500), *range(50)]])
    files = [tmp_path / "a.h5", tmp_path / "b.h5"]
    _, held_out, flow, _ = load_or_stream(files, 0.2, 1, memory=LITTLE)
    shown, expected = split(read(files), [0.8, 0.2], 1)
    assert [len(shown), len(expected)] == [480, 120]
    assert flow is not None
    batches = flow(60, 0, 1, 0)
    seen = np.concatenate([next(batches).cells for _ in range(8)])
    np.testing.assert_array_equal(np.unique(seen, axis=0), np.unique(shown.cells, axis=0))
    assert not {row.tobytes() for row in seen} & {row.tobytes() for row in held_out.cells}
    assert {row.tobytes() for row in held_out.cells} <= {row.tobytes() for row in expected.cells}


def test_training_from_a_stream_resumes_exactly(files: list[Path], tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(shown: int, scalars: object) -> None:
        if shown >= 704:
            raise Killed

    # ROOT files of a tree with a branch for each cell are slow to read in pieces.
    files = [files[0], tmp_path / "b.h5"]
    write(files[1], read(demo_sample())[350:600])
    recipe = pg.load_recipe("showers", SMALL_SHOWERS)
    whole = pg.train(recipe, files, tmp_path / "whole", memory=LITTLE)
    with pytest.raises(Killed):
        pg.train(recipe, files, tmp_path / "cut", memory=LITTLE, report=kill)
    cut = pg.train(recipe, files, tmp_path / "cut", memory=LITTLE, resume=True)
    for one, two in zip(
        whole.model.generator.parameters(), cut.model.generator.parameters(), strict=True
    ):
        assert torch.equal(one, two)


@pytest.fixture
def weigh(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> Callable[[np.ndarray], None]:
    """Return a function that gives the events of the first file weights, wherever it is read."""

    def give(weights: np.ndarray) -> None:
        survey = training.survey
        monkeypatch.setattr(
            training, "survey", lambda *given: replace(survey(*given), weights=weights)
        )
        monkeypatch.setattr(
            training, "read", lambda *given, **how: replace(read(*given, **how), weights=weights)
        )

    return give


def test_weights_stay_with_what_fits(
    files: list[Path], weigh: Callable[[np.ndarray], None]
) -> None:
    given = np.linspace(0, 2, 350)
    weigh(given)
    shown, held_out, flow, weights = load_or_stream(files[0], 0.2, 1)
    assert flow is None
    np.testing.assert_array_equal(weights, given)
    for part in (shown, held_out):
        place = np.searchsorted(np.sort(read(files[0]).energy), part.energy)
        order = np.argsort(read(files[0]).energy)
        np.testing.assert_array_equal(part.weights, given[order][place])


def test_what_is_streamed_is_drawn_by_its_weights(
    files: list[Path], weigh: Callable[[np.ndarray], None]
) -> None:
    energy = read(files[0]).energy
    # Few at high energies count; the highest ones of all do not.
    given = np.where(energy > np.quantile(energy, 0.9), 9.0, 1.0)
    given[energy > np.quantile(energy, 0.97)] = 0
    weigh(given)
    sample, held_out, flow, weights = load_or_stream(files[0], 0.2, 1, memory=LITTLE // 2)
    assert flow is not None
    np.testing.assert_array_equal(weights, given)
    parts = split(read(files[0]), [0.8, 0.2], 1)
    known = dict(zip(energy.tolist(), given.tolist(), strict=True))
    for drawn, part in zip((sample, held_out), parts, strict=True):
        assert drawn.weights is None
        assert set(drawn.energy) <= set(part.energy)
        assert min(known[e] for e in drawn.energy.tolist()) > 0
    counting = parts[0].energy[np.array([known[e] > 0 for e in parts[0].energy.tolist()])]
    assert (sample.energy.min(), sample.energy.max()) == (counting.min(), counting.max())
    batches = flow(60, 0, 1, 0)
    seen = np.concatenate([next(batches).energy for _ in range(20)])
    assert set(seen) <= set(counting)
    heavy = np.mean([known[e] == 9.0 for e in seen.tolist()])
    share = given[np.isin(energy, parts[0].energy)]
    assert abs(heavy - share[share == 9.0].sum() / share.sum()) < 0.05
    np.testing.assert_array_equal(next(flow(60, 0, 1, 3)).energy, seen[180:240])


def test_weights_that_nothing_can_be_drawn_by_are_refused_before_anything_is_read(
    files: list[Path], weigh: Callable[[np.ndarray], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    weigh(np.full(350, -1.0))
    monkeypatch.setattr(training, "read", None)
    monkeypatch.setattr(streaming, "Pieces", None)
    for memory in (None, LITTLE // 2):
        with pytest.raises(DataError, match="negative in 350 of 350 events"):
            load_or_stream(files[0], 0.2, 1, memory=memory)


MAKE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "make_own_showers.py"))["main"]
GEOMETRY = """
name = "box"
[[layers]]
kind = "cartesian"
repeat = 2
z = [0.0, 100.0]
x = { start = -100.0, stop = 100.0, cells = 4 }
y = { start = -100.0, stop = 100.0, cells = 4 }
[sampling]
active = { material = "Pb", thickness = 4.0 }
response = 1.0
stochastic_term = 0.1
constant_term = 0.01
"""
MAPPING = """
tree = "sim"
[hits]
x = "posX"
y = "posY"
z = "posZ"
energy = "dE"
length_unit = "cm"
[conditions]
energy = { branch = "Ebeam", unit = "GeV" }
"""
SMALL = (
    "network.latent=4", "network.width=16", "network.depth=1", "network.d_width=16",
    "network.d_depth=1", "training.events=256", "training.report_every=256",
)  # fmt: skip


@pytest.fixture
def hits(tmp_path):
    geometry, path = tmp_path / "box.toml", tmp_path / "hits.root"
    geometry.write_text(GEOMETRY)
    (tmp_path / "mapping.toml").write_text(MAPPING)
    MAKE(str(geometry), str(path), "400")
    return path


def test_hits_are_learned_with_a_mapping_and_a_detector(hits, tmp_path):
    given = {"mapping": tmp_path / "mapping.toml", "detector": tmp_path / "box.toml"}
    fast = pg.train("showers", hits, tmp_path / "run", overrides=SMALL, **given)
    assert fast.detector.name == "box"
    assert fast.generate({"energy": [1e4]}).cells.shape == (1, 32)


def test_a_recipe_for_another_detector_is_refused(hits, tmp_path):
    given = {"mapping": tmp_path / "mapping.toml", "detector": tmp_path / "box.toml"}
    with pytest.raises(pg.errors.DetectorError, match="made for detector 'calogan', but the ev"):
        pg.train("showers", hits, tmp_path / "run", overrides=["detector=calogan"], **given)
    with pytest.raises(pg.PhysGanError, match="detector"):
        pg.train("showers", hits, tmp_path / "run", mapping=tmp_path / "mapping.toml")
