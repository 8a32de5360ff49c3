"""Toys on the command line: simulate, inspect, convert, validate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.toys import TOYS

Run = Callable[..., tuple[int, str, str]]


def test_points_are_simulated_inspected_and_converted(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "grid.h5"
    code, out, _ = run("simulate", "toy-grid", file, "-n", 100, "--seed", 1)
    assert (code, out) == (0, f"Wrote 100 points of 'toy-grid' to {file}\n")
    expected = pg.simulate(pg.load_detector("toy-grid"), 100, seed=1)
    np.testing.assert_array_equal(pg.read(file).cells, expected.cells)
    code, out, _ = run("inspect", file)
    assert code == 0
    assert "toys-hdf5" in out
    assert "coordinates x, y" in out
    code, _, _ = run("convert", file, tmp_path / "copy.h5")
    assert code == 0
    np.testing.assert_array_equal(pg.read(tmp_path / "copy.h5").cells, expected.cells)


@pytest.mark.parametrize(
    ("option", "value"), [("particle", "e+"), ("energy", "1GeV"), ("spectrum", "uniform")]
)
def test_what_toys_do_not_have(run: Run, tmp_path: Path, option: str, value: str) -> None:
    code, _, err = run("simulate", "toy-grid", tmp_path / "a.h5", "-n", 5, f"--{option}", value)
    sentence = f"'toy-grid' is a toy, whose points have no {option}; leave --{option} out"
    assert (code, err) == (2, f"phys-gan: {sentence}\n")
    assert list(tmp_path.iterdir()) == []


def test_validation_sees_missing_modes(run: Run, tmp_path: Path) -> None:
    grid = TOYS["toy-grid"]
    detector = pg.load_detector("toy-grid")
    points = grid.sample(1500, 2)
    bad = points[grid.nearest(points)[0] > 2]
    pg.write(tmp_path / "grid.h5", pg.simulate(detector, 1500, seed=1))
    pg.write(tmp_path / "good.h5", pg.Events(points, {}, detector))
    pg.write(tmp_path / "bad.h5", pg.Events(bad, {}, detector))
    report, requirements = tmp_path / "report", ("--require", "modes_hit>=25")
    command = ("validate", tmp_path / "grid.h5")
    few = ("--out", report, "--no-figures", *requirements)
    code, out, err = run(*command, tmp_path / "bad.h5", *few)
    assert code == 1
    assert "modes_hit>=25           22  NOT met" in out
    assert "missing modes" in out
    assert "energies" not in out + err
    metrics = json.loads((report / "metrics.json").read_text("utf-8"))
    assert metrics["multivariate"]["modes_hit"]["value"] == 22
    assert metrics["provenance"]["warnings"] == []
    assert list(metrics["observables"]) == ["x", "y", "log_density", "mode"]
    assert (report / "index.html").stat().st_size > 0
    code, out, _ = run(*command, tmp_path / "good.h5", *few)
    assert code == 0
    assert "4 of 4 observables within the floor" in out
