"""From the description of a calorimeter to a page about a model of it, in one go or in two."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

import phys_gan as pg
from helpers import SMALL_SHOWERS, needs_geant4
from phys_gan.errors import ConfigError, DataError, DetectorError, RangeError
from phys_gan.workflows import geometry
from phys_gan.workflows.geometry import choose_recipe, new_geometry

DETECTOR = """
name = "my-ecal"
description = "A small stack of lead and scintillator"
cell_unit = "MeV"
symmetries = ["reflect-x", "reflect-y"]
[[construction.stack]]
layers = 4
slabs = [
    { material = "Pb", thickness = 10 },
    { material = "G4_PLASTIC_SC_VINYLTOLUENE", thickness = 5, active = true },
    { material = "G4_AIR", thickness = 5 },
]
[[layers]]
kind = "cartesian"
repeat = 4
z = [0, 20]
x = { start = -60, stop = 60, cells = 4 }
y = { start = -60, stop = 60, cells = 4 }
"""
TRAINING = (*SMALL_SHOWERS, "training.max_minutes=0", "training.report_every=640")


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    file = tmp_path / "my.toml"
    file.write_text(DETECTOR)
    return file


@needs_geant4
def test_a_study_from_nothing_to_the_page(tmp_path: Path, detector: Path) -> None:
    out = tmp_path / "study"
    options = {"energy": (100.0, 300.0), "recipe": "showers", "overrides": TRAINING, "workers": 2}
    options |= {"n": 500, "figures": False, "device": "cpu", "require": ["ks[E_tot/E_inc]<1"]}
    said: list[str] = []
    simulated: list[int] = []

    def broken(shown: int, scalars: dict) -> None:
        if shown >= 640:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        new_geometry(
            detector, out, say=said.append, simulated=simulated.append, trained=broken, **options
        )
    assert simulated[-1] == 500
    assert not (out / "index.html").exists()
    full = (out / "full.h5").read_bytes()
    assert json.loads((out / "study.json").read_text())["timed"] == 500

    simulated.clear()
    found = new_geometry(detector, out, say=said.append, simulated=simulated.append, **options)
    assert simulated == []
    assert (out / "full.h5").read_bytes() == full
    assert [text.split()[0] for text in said[-4:]] == [
        "Simulating",
        "Training",
        "Generating",
        "Comparing",
    ]
    assert said[-3] == "Training on 400 of them: recipe 'showers'"

    # Nothing that was learned from is compared with, and all was simulated once.
    learn, test = (pg.read(out / f"{name}.h5", detector=detector) for name in ("learn", "test"))
    assert (len(learn), len(test)) == (400, 100)
    energies = np.concatenate([learn.energy, test.energy])
    every = pg.read(out / "full.h5", detector=detector)
    np.testing.assert_array_equal(np.sort(energies), np.sort(every.energy))
    fast = pg.read(out / "fast.h5", detector=detector)
    np.testing.assert_array_equal(fast.energy, test.energy)
    assert found.comparison.reference.n == 100
    assert [check.met for check in found.checks] == [True]
    assert found.speed.simulation > found.speed.model > 0
    assert (out / "model.onnx").stat().st_size > 1000
    assert (out / "report" / "metrics.json").exists()

    # The page opens alone: every link is beside it, every picture inside.
    page = found.page.read_text("utf-8")
    assert found.page == out / "index.html"
    assert str(found.speed) in page
    for link in re.findall(r'href="(?!#)([^"]+)"', page):
        assert (out / link).exists(), link
    assert page.count("<img") >= 8
    assert 'src="data:image' in page
    for text in (
        "500 e- showers, Geant4 11.4.1",
        "full.h5",
        "report/index.html",
        "recipe &#39;sho",
    ):
        assert text in page, text

    with pytest.raises(ConfigError, match="was begun with showers 500, not 600; ask for the same"):
        new_geometry(detector, out, **{**options, "n": 600})
    detector.write_text(DETECTOR.replace('"Pb"', '"W"'))
    with pytest.raises(ConfigError, match="was begun with another detector; ask for the same"):
        new_geometry(detector, out, **options)


def test_times_add_up_over_attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.arange(0.0, 1000.0, 10.0))
    monkeypatch.setattr(geometry.time, "monotonic", lambda: float(next(clock)))
    path, plan = tmp_path / "study.json", {"n": 3}
    study = geometry._Study(path, plan)
    with pytest.raises(KeyboardInterrupt), study.step("train"):
        raise KeyboardInterrupt
    again = geometry._Study(path, plan)
    assert not again.is_done("train")
    with again.step("train"):
        pass
    assert again.wall("train") == 20.0
    with again.step("train"):
        pass
    assert json.loads(path.read_text())["wall"] == {"train": 20.0}
    assert geometry._Study(path, plan).is_done("train")
    path.write_text("{}")
    assert math.isnan(study.seconds_per_shower)
    with pytest.raises(DataError, match="is not the description of a study; delete"):
        geometry._Study(path, plan)


def test_recipes_for_small_and_large_detectors() -> None:
    small = choose_recipe(pg.load_detector("calogan"), minutes=3)
    assert (small.name, small.training.max_minutes) == ("demo", 3)
    large = choose_recipe(pg.load_detector("calochallenge-2"), overrides=["training.events=1000"])
    assert (large.name, large.training.max_minutes) == ("ecal-fine", 10)
    assert choose_recipe(pg.load_detector("calogan"), "ecal").name == "ecal"
    with pytest.raises(RangeError, match="0 minutes are no time to train"):
        choose_recipe(pg.load_detector("calogan"), minutes=0)


def test_what_cannot_be_studied(tmp_path: Path) -> None:
    with pytest.raises(RangeError, match="100 showers are too few to learn from"):
        new_geometry("calogan", tmp_path, 100)
    with pytest.raises(DetectorError, match="nothing says what 'toy-ring' is built of"):
        new_geometry("toy-ring", tmp_path, 1000)
    assert not list(tmp_path.iterdir())
