"""Commands on files of events: simulate, inspect, convert, split; of galaxies and toys too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import phys_gan as pg
from helpers import SMALL_SHOWERS
from phys_gan.detectors import detector_names
from phys_gan.toys import TOYS

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
        ("calogan", ("--engine", "numpy"), "whose showers are not made by numpy; available: "
         "parametric, geant4; leave --engine out"),
        ("calogan", ("--condition", "flux=5"), "parametric showers have no condition; leave it"),
        ("toy-ring", ("--condition", "flux=5"), "is a toy, whose points have no conditions"),
        ("galaxies-32", ("--condition", "flux"), "'flux' is not a condition; write NAME=VALUE or"),
        ("galaxies-32", ("--condition", "flux=50-60"), "'flux=50-60' is not a condition"),
        ("galaxies-32", ("--condition", "mag=20"), "galaxies have no condition 'mag'; available"),
        ("galaxies-32", ("--condition", "axis_ratio=2"), "axis_ratio is 2, but must be from"),
        ("galaxies-32", ("--condition", "flux=5", "--condition", "flux=6"), "flux is given twice"),
    ],
)  # fmt: skip
def test_options_that_a_detector_does_not_have(
    run: Run, tmp_path: Path, detector: str, options: tuple[str, ...], sentence: str
) -> None:
    code, _, err = run("simulate", detector, tmp_path / "a.h5", "-n", 5, *options)
    assert code == 2
    assert err.startswith("phys-gan: ")
    assert sentence in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


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


def test_split(run, tmp_path):
    source = tmp_path / "a.h5"
    pg.write(source, pg.simulate("calogan", 100, seed=1, threads=1))
    learn, test = tmp_path / "learn.h5", tmp_path / "test.root"
    code, out, _ = run("split", source, learn, test, "--shares", "0.7,0.3", "--seed", 2)
    assert code == 0
    n = len(pg.read(learn))
    assert n + len(pg.read(test)) == 100
    assert out.splitlines() == [
        f"Wrote {n} events to {learn}",
        f"Wrote {100 - n} events to {test}",
    ]


def test_wrong_ways_to_split(run, tmp_path):
    source = tmp_path / "a.h5"
    pg.write(source, pg.simulate("calogan", 100, seed=1, threads=1))
    for arguments, words in (
        ((source, tmp_path / "b.h5"), "2 files are named, and 2 of them are to be written"),
        ((source, "b.h5", "c.h5", "--shares", "much,little"), "'much,little' are not fractions"),
        ((source, tmp_path / "b.h5", tmp_path / "c.h5", "--shares", "0.7,0.2"), "add up to 1"),
    ):
        code, _, said = run("split", *arguments)
        assert code == 2
        assert words in said
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_copies_that_leave_the_shares_wrong_are_said(run, tmp_path):
    sample = pg.simulate("calogan", 10, seed=1, threads=1)
    source, learn, test = (tmp_path / f"{name}.h5" for name in ("a", "learn", "test"))
    pg.write(source, sample[np.repeat(np.arange(10), 4)])
    code, out, said = run("split", source, learn, test, "--shares", "0.75,0.25")
    assert code == 0
    assert out == f"Wrote 32 events to {learn}\nWrote 8 events to {test}\n"
    assert said == (
        "phys-gan: the parts have 32 and 8 events instead of 30 and 10: copies stay together, and "
        "one event is there 4 times; remove copies, or choose other shares\n"
    )
    code, _, said = run("split", source, learn, test, "--shares", "0.8,0.2")
    assert (code, said) == (0, "")
    pg.write(source, sample[np.zeros(40, int)])
    code, _, said = run("split", source, learn, test)
    assert code == 2
    assert "40 events are too few" in said
    assert "without copies they are 1; give more events" in said


def test_training_says_what_copies_make_of_its_held_out_events(run, tmp_path):
    sample = pg.simulate("calogan", 100, seed=1, threads=1)
    often = np.concatenate([np.zeros(300, int), np.arange(100)])
    pg.write(tmp_path / "a.h5", sample[often])
    overrides = [word for text in SMALL_SHOWERS for word in ("--set", text)]
    for share, words in (("0.2", ""), ("0.5", "one event is there 301 times")):
        code, _, said = run(
            *("train", "showers", "--data", tmp_path / "a.h5", "--out", tmp_path / share),
            *(*overrides, "--set", "training.events=64", "--set", f"training.held_out={share}"),
        )
        assert code == 0
        assert words in said
        assert ("copies stay together" in said) == bool(words)


def test_detectors_are_listed_described_and_drawn(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("detectors")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["name", *detector_names()]
    own = tmp_path / "own.toml"
    pg.load_detector("calogan").save(own)
    code, out, _ = run("detectors", own, "--out", tmp_path / "own.svg")
    assert code == 0
    assert "480 mm, 30.8 X0" in out
    assert out.endswith(f"Wrote {tmp_path / 'own.svg'}\n")
    assert (tmp_path / "own.svg").read_bytes().startswith(b"<svg")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nothing",), "'nothing' is not a detector; available: calochallenge-1-photons"),
        (("toy-ring", "--out", "d.png"), "is a toy, whose coordinates have no place in space"),
        (("calogan", "--out", "d.gif"), "'d.gif' does not end in .png, .pdf, .svg"),
        (("--out", "d.png"), "--out draws one detector, and none is named; name it first"),
    ],
)
def test_wrong_detectors_are_one_sentence(
    run: Run, arguments: tuple[str, ...], sentence: str
) -> None:
    code, _, err = run("detectors", *arguments)
    assert code == 2
    assert sentence in err
    assert len(err.splitlines()) == 1
