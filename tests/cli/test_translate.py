"""Translating and toys on the command line."""

import re

import numpy as np
import pytest

import phys_gan as pg
from helpers import wrong
from phys_gan.cli.training import _one_by_one
from phys_gan.workflows import demo_sample

SMALL = [
    "--set", "network.width=16", "--set", "network.depth=1", "--set", "network.d_width=16",
    "--set", "network.d_depth=1", "--set", "training.events=256", "--set", "training.batch_size=64",
    "--set", "training.report_every=128",
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Write Geant4 and parametric showers, each in two files, and train a translator."""
    home = tmp_path_factory.mktemp("files")
    geant4 = pg.read(demo_sample())[:300]
    parametric = pg.simulate(geant4.detector, 300, seed=3)
    for name, events in (("geant4", geant4), ("parametric", parametric)):
        pg.write(home / f"{name}_a.h5", events[:150])
        pg.write(home / f"{name}_b.h5", events[150:])
    overrides = [value for value in SMALL if value != "--set"]
    pg.train("cycle", geant4, home / "cycle", source=parametric, overrides=overrides)
    pg.train(
        "showers",
        geant4,
        home / "showers",
        overrides=[*overrides, "network.latent=8", "network.width=32"],
    )
    return home


def test_train_with_several_files_on_both_sides_and_translate(run, files, tmp_path):
    code, out, err = run(
        "train", "cycle", "--data", files / "geant4_a.h5", files / "geant4_b.h5",
        "--source", files / "parametric_a.h5", files / "parametric_b.h5",
        "--out", tmp_path / "run", *SMALL,
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "mean KS" in out
    model = (tmp_path / "run" / "model.safetensors").read_bytes()
    # The same events in memory make the same model, so that no file was missed or misplaced.
    assert len(model) == len((files / "cycle" / "model.safetensors").read_bytes())
    fast = pg.FastSim.load(tmp_path / "run")
    assert fast.energy_range == pg.FastSim.load(files / "cycle").energy_range

    target = tmp_path / "translated.h5"
    code, out, err = run("generate", tmp_path / "run", target, "--translate",
                         files / "parametric_a.h5", "--seed", 2)  # fmt: skip
    assert (code, err) == (0, "")
    assert re.search(r"Wrote 150 events in 'calogan' from .* to .* to .*translated.h5", out)
    source, there = pg.read(files / "parametric_a.h5"), pg.read(target)
    np.testing.assert_allclose(there.energy, source.energy, rtol=1e-6)
    expected = fast.translate(source, seed=2)
    np.testing.assert_allclose(there.total_energy(), expected.total_energy(), rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("cycle --data a b --source c --out r", "cycle --data a --data b --source c --out r"),
        ("cycle --source=a b --resume --data c", "cycle --source=a --source b --resume --data c"),
        ("showers --data a --data b --out r c", "showers --data a --data b --out r c"),
    ],
)
def test_options_that_take_several_files(given, read):
    assert " ".join(_one_by_one(given.split())) == read


def test_wrong_ways_to_translate(run, files, tmp_path):
    data, source, out = files / "geant4_a.h5", files / "parametric_a.h5", tmp_path / "out.h5"
    wrong(run("train", "cycle", "--data", data, "--out", tmp_path / "r", *SMALL), "add --source")
    wrong(
        run("train", "showers", "--data", data, "--source", source, "--out", tmp_path / "s"),
        "'showers' does not translate events",
        "leave the source out",
    )
    wrong(run("generate", files / "cycle", out, "-n", 5), "--translate FILE")
    wrong(run("generate", files / "cycle", out, "--like", source), "--translate FILE")
    wrong(run("generate", files / "showers", out, "--translate", source), "does not translate them")
    wrong(run("generate", files / "cycle", out, "--translate", source, "-n", 5), "give one of them")
    wrong(
        run("generate", files / "cycle", out, "--translate", source, "--energy", "5GeV"),
        "give one of them",
    )
    wrong(run("generate", files / "cycle", out, "--translate", tmp_path / "no.h5"), "no.h5")
    other = tmp_path / "other.h5"
    pg.write(other, pg.simulate(pg.load_detector("calochallenge-2"), 5))
    wrong(run("generate", files / "cycle", out, "--translate", other), "calochallenge-2")
    assert not out.exists()
    assert not (tmp_path / "s").exists()


def test_a_toy_makes_its_own_events(run, tmp_path):
    code, out, err = run("train", "toy-grid", "--out", tmp_path / "grid", *SMALL,
                         "--set", "simulated.events=1000")  # fmt: skip
    assert (code, err) == (0, "")
    code, out, err = run("generate", tmp_path / "grid", tmp_path / "points.h5", "-n", 70)
    assert (code, err) == (0, "")
    assert "Wrote 70 events in 'toy-grid' to " in out
    assert len(pg.read(tmp_path / "points.h5")) == 70
    code, out, _ = run("generate", tmp_path / "grid", tmp_path / "more.h5", "--like",
                       tmp_path / "points.h5")  # fmt: skip
    assert code == 0
    assert "Wrote 70 events" in out
    wrong(
        run("generate", tmp_path / "grid", tmp_path / "no.h5", "-n", 5, "--energy", "5GeV"),
        "no incident energy",
        "leave --energy out",
    )


def test_training_needs_events_or_a_recipe_that_makes_them(run, tmp_path):
    wrong(run("train", "cycle", "--out", tmp_path / "r"), "--data FILE... --out RUN")
    wrong(run("train", "toy-grid"), "--out RUN")
    assert not list(tmp_path.iterdir())
