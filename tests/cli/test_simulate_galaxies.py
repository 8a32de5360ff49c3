"""Galaxies on the command line: simulate and inspect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import phys_gan as pg

Run = Callable[..., tuple[int, str, str]]


def test_galaxies_are_simulated_and_inspected(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "stamps.h5"
    options = ("--condition", "flux=50:100", "--condition", "noise=0.05", "--seed", 3)
    code, out, _ = run("simulate", "galaxies-32", file, "-n", 40, *options)
    assert (code, out) == (0, f"Wrote 40 galaxies in 'galaxies-32' to {file}\n")
    events = pg.read(file)
    given = {"flux": (50.0, 100.0), "noise": 0.05}
    expected = pg.simulate(pg.load_detector("galaxies-32"), 40, conditions=given, seed=3)
    np.testing.assert_array_equal(events.cells, expected.cells)
    assert dict(events.provenance) == dict(expected.provenance)
    for name, values in expected.conditions.items():
        np.testing.assert_array_equal(events.conditions[name], values)
    code, out, _ = run("inspect", file)
    assert code == 0
    assert "galaxies-32 (1024 cells in 1 layer)" in out


@pytest.mark.parametrize(
    ("detector", "options", "sentence"),
    [
        ("galaxies-32", ("--particle", "e+"), "is an image, whose galaxies have no particle; leave "
         "--particle out"),
        ("galaxies-32", ("--energy", "1GeV"), "have no energy; leave --energy out"),
        ("galaxies-32", ("--spectrum", "uniform"), "have no spectrum; leave --spectrum out"),
        ("calogan", ("--engine", "numpy"), "is a calorimeter, whose showers have no engine; leave "
         "--engine out"),
        ("calogan", ("--condition", "flux=5"), "have no conditions; leave --condition out"),
        ("toy-ring", ("--condition", "flux=5"), "is a toy, whose points have no conditions"),
        ("galaxies-32", ("--condition", "flux"), "'flux' is not a condition; write NAME=VALUE or"),
        ("galaxies-32", ("--condition", "flux=50-60"), "'flux=50-60' is not a condition"),
        ("galaxies-32", ("--condition", "mag=20"), "galaxies have no condition 'mag'; available"),
        ("galaxies-32", ("--condition", "axis_ratio=2"), "axis_ratio is 2, but must be from"),
        ("galaxies-32", ("--condition", "flux=5", "--condition", "flux=6"), "flux is given twice"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_said_in_one_sentence(
    run: Run, tmp_path: Path, detector: str, options: tuple[str, ...], sentence: str
) -> None:
    code, _, err = run("simulate", detector, tmp_path / "a.h5", "-n", 5, *options)
    assert code == 2
    assert err.startswith("phys-gan: ")
    assert sentence in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
