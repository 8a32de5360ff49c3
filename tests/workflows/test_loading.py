"""Events to train on: in memory where they fit, streamed where not; held out either way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import phys_gan as pg
from helpers import SMALL_SHOWERS
from phys_gan.data import read, split, write
from phys_gan.workflows import demo_sample
from phys_gan.workflows.loading import load_or_stream

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


def test_training_from_a_stream_resumes_exactly(files: list[Path], tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(shown: int, scalars: object) -> None:
        if shown >= 704:
            raise Killed

    recipe = pg.load_recipe("showers", SMALL_SHOWERS)
    whole = pg.train(recipe, files, tmp_path / "whole", memory=LITTLE)
    with pytest.raises(Killed):
        pg.train(recipe, files, tmp_path / "cut", memory=LITTLE, report=kill)
    cut = pg.train(recipe, files, tmp_path / "cut", memory=LITTLE, resume=True)
    for one, two in zip(
        whole.model.generator.parameters(), cut.model.generator.parameters(), strict=True
    ):
        assert torch.equal(one, two)
