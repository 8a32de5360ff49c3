"""The command simulate with Geant4: options, files, and productions that broke off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import phys_gan as pg
from helpers import needs_geant4
from phys_gan.simulation import FullSimulation, draw_incident
from phys_gan.workflows import production

Run = Callable[..., tuple[int, str, str]]
DETECTOR = """
name = "small"
cell_unit = "GeV"
[[construction.stack]]
slabs = [{ material = "Pb", thickness = 5 }, { material = "LAr", thickness = 5, active = true }]
[[layers]]
kind = "cartesian"
repeat = 4
z = [0, 20]
x = { start = -50, stop = 50, cells = 4 }
y = { start = -50, stop = 50, cells = 4 }
"""
OPTIONS = ("--engine", "geant4", "--energy", "100MeV,200MeV", "--seed", 4, "--workers", 2)


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    file = tmp_path / "small.toml"
    file.write_text(DETECTOR)
    return file


@needs_geant4
def test_full_simulation_is_written(run: Run, tmp_path: Path, detector: Path) -> None:
    out = tmp_path / "a.h5"
    way = ("--theta", "0:20deg", "--phi", "90deg", "--x", "-1cm:1cm", "--y", "2,4,6")
    given = ("-n", 9, "--particle", "e-,gamma", "--cut", "100um")
    code, text, err = run("simulate", detector, out, *OPTIONS, *way, *given)
    assert (code, err) == (0, "")
    assert text.startswith(f"Wrote 9 e-, gamma showers in 'small' from 100 MeV to 200 MeV to {out}")
    events = pg.read(out, detector=detector)
    at = events.conditions
    assert at["energy"].tolist() == [100, 200] * 4 + [100]
    assert at["pdg"].tolist() == [11, 22] * 4 + [11]
    assert at["theta"].max() < np.radians(20)
    assert np.ptp(at["theta"]) > 0.05
    np.testing.assert_allclose(at["phi"], np.pi / 2)
    assert np.ptp(at["x"]) > 3
    assert at["y"].tolist() == [2, 4, 6] * 3
    # In GeV, as the detector says, and a sampling fraction of lead and argon.
    assert 0.003 < events.cells.sum(axis=1).mean() < 0.05
    assert events.provenance["cut"] == "0.1 mm"
    same = pg.simulate(
        pg.load_detector(detector),
        9,
        engine="geant4",
        particle=["e-", "gamma"],
        energy=at["energy"],
        conditions={name: at[name] for name in ("theta", "phi", "x", "y")},
        seed=4,
        cut=0.1,
        workers=1,
    )
    np.testing.assert_array_equal(same.cells, events.cells)


@needs_geant4
def test_a_production_goes_on(
    run: Run, tmp_path: Path, detector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(production, "_SIMULATED", (4, 8))
    whole, out = tmp_path / "whole.h5", tmp_path / "out.h5"
    assert run("simulate", detector, whole, "-n", 20, *OPTIONS)[0] == 0
    full = FullSimulation(pg.load_detector(detector), workers=2)
    incident = draw_incident(20, None, np.resize([100.0, 200.0], 20), seed=4)

    def fail(done: int) -> None:
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        production.produce(full, out, incident, seed=4, report=fail)
    assert not out.exists()
    code, _, err = run("simulate", detector, out, "-n", 20, *OPTIONS)
    assert code == 2
    assert "holds 8 of 20 events of a production that broke off; go on with --resume" in err
    code, _, err = run("simulate", detector, out, "-n", 20, *OPTIONS, "--cut", "1mm", "--resume")
    assert code == 2
    assert "which was begun with another simulation" in err
    code, text, _ = run("simulate", detector, out, "-n", 20, *OPTIONS, "--resume")
    assert code == 0
    assert "showers per second, 8 were there)" in text
    assert out.read_bytes() == whole.read_bytes()
    code, text, _ = run("simulate", detector, out, "-n", 20, *OPTIONS, "--resume")
    assert (code, text) == (0, f"{out} holds these 20 showers already: nothing to do\n")


@needs_geant4
def test_models_inside_geant4(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "a.h5"
    options = ("--engine", "geant4", "--energy", "1.5GeV,20GeV", "--fast", "calogan-eplus")
    code, text, err = run("simulate", "calogan", out, "-n", 4, *options, "--above", "2GeV")
    assert (code, err) == (0, "")
    assert text.splitlines()[1] == (
        "2 particles were taken by FastDetector(calogan: e+); no other reached the detector"
    )
    events = pg.read(out)
    assert events.cells.sum(axis=1) == pytest.approx(events.conditions["energy"], rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--theta", "0.1"), "parametric showers have no theta; leave it out, or simulate with G"),
        (("--resume",), "parametric showers have no resume"),
        (("--fast", "calogan-eplus"), "parametric showers have no fast"),
        (("--engine", "geant4", "--above", "1GeV"), "--above goes with --fast; name a model"),
        (("--engine", "geant4", "--x", "5ft"), "'5ft' is not a number with one of the units um, m"),
        (("--engine", "geant4", "--theta", "90deg"), "theta is 1.5708, but full simulation needs"),
        (("--engine", "geant4", "--theta", "1:0"), "the range '1:0' runs from high to low"),
        (("--engine", "geant4", "--condition", "z=1"), "a particle has no condition 'z'"),
        (("--engine", "geant4", "--fast", "nothing"), "there is no model 'nothing'"),
        (("--engine", "geant4", "--particle", "e+,x"), "x"),
    ],
)
def test_wrong_options(run: Run, tmp_path: Path, arguments: tuple, sentence: str) -> None:
    code, _, err = run("simulate", "calogan", tmp_path / "a.h5", "-n", 2, *arguments)
    assert code == 2
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@needs_geant4
def test_what_geant4_cannot_simulate(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEANT4_DATA_DIR", raising=False)
    out = tmp_path / "a.h5"
    options = ("-n", 2, "--engine", "geant4", "--particle", "pi-")
    code, _, err = run("simulate", "calogan", out, *options)
    assert code == 2
    assert "it simulates e-, e+ and gamma; name a reference list such as --physics FTFP_BERT" in err
    code, _, err = run("simulate", "calogan", out, *options, "--physics", "FTFP_BERT")
    assert code == 2
    assert "reads data sets of Geant4 that are missing because GEANT4_DATA_DIR is not set" in err
    assert not list(tmp_path.iterdir())
    code, _, err = run("simulate", "galaxies-32", out, "-n", 2, "--engine", "geant4")
    assert code == 2
    assert "whose galaxies are not made by geant4; available: numpy, galsim; leave --engine" in err
