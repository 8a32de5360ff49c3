"""Full simulation in several processes: the right cells, and the same events everywhere."""

from __future__ import annotations

import os
import signal
import subprocess
from functools import cache

import numpy as np
import pytest

import phys_gan as pg
from helpers import assert_same, needs_geant4
from phys_gan.detectors import (
    CartesianLayer,
    Compound,
    Construction,
    Detector,
    PolarLayer,
    Slab,
    Stack,
    StackSlab,
    load_detector,
)
from phys_gan.errors import DataError, DetectorError, MissingError, PhysGanError, RangeError
from phys_gan.simulation import FullSimulation, draw_incident
from phys_gan.simulation.workers import _Worker

pytestmark = needs_geant4

UNIFORM = {"start": -50.0, "stop": 50.0, "cells": 20}
EDGES = (-50.0, -30.0, -5.0, 0.0, 2.0, 40.0, 50.0)
RINGS = (0.0, 4.0, 10.0, 30.0, 50.0)
THIN = StackSlab(material="Si", thickness=0.3, active=True)
PLAIN = Construction(stack=(Stack(slabs=(THIN,)),))


def thin_layers(*across: dict, **construction: object) -> Detector:
    """Return layers of 0.3 mm of silicon, 50 mm from each other."""
    kinds = {"x": CartesianLayer, "r": PolarLayer}
    layers = tuple(
        kinds[next(iter(each))](z=(50.0 * k, 50.0 * k + 0.3), **each)
        for k, each in enumerate(across)
    )
    built = Construction(stack=(Stack(slabs=(THIN,), layers=len(layers)),), **construction)
    return Detector(name="thin", layers=layers, construction=built)


def block(material: str = "Pb", **construction: object) -> Detector:
    """Return a homogeneous calorimeter of 200 mm with a few cells."""
    slab = StackSlab(material=material, thickness=1e3, active=True)
    layers = tuple(
        CartesianLayer(z=(100.0 * k, 100.0 * (k + 1)), x=(-100, 0, 100), y=EDGES) for k in range(2)
    )
    built = Construction(stack=(Stack(slabs=(slab,)),), **construction)
    return Detector(name="block", layers=layers, construction=built)


def showers(detector: Detector, n: int, workers: int = 1, **given: object) -> pg.Events:
    """Simulate electrons of 100 MeV."""
    options = {"particle": "e-", "energy": np.full(n, 100.0), "seed": 5, **given}
    return pg.simulate(detector, n, engine="geant4", workers=workers, **options)


def test_deposits_are_in_the_cells_that_particles_cross() -> None:
    """Electrons of 5 GeV go straight through thin silicon, in every kind of cells."""
    n = 60
    detector = thin_layers(
        {"x": UNIFORM, "y": UNIFORM},
        {"x": EDGES, "y": UNIFORM},
        {"x": UNIFORM, "y": EDGES},
        {"r": {"start": 0.0, "stop": 50.0, "cells": 10}, "n_alpha": 16},
        {"r": RINGS, "n_alpha": 5},
        {"r": RINGS, "n_alpha": 1},
    )
    conditions = {"theta": (0.0, 0.05), "phi": (0.0, 6.28), "x": (-30.0, 30.0), "y": (-30.0, 30.0)}
    events = showers(detector, n, energy=np.full(n, 5e3), conditions=conditions)
    at = events.conditions
    for k, layer in enumerate(detector.layers):
        depth = np.tan(at["theta"]) * (layer.z[0] + 0.15)
        x, y = at["x"] + depth * np.cos(at["phi"]), at["y"] + depth * np.sin(at["phi"])
        expected = detector.find(x, y, layer.z[0] + 0.15)
        cells = events.cells[:, detector.slice(k)]
        found = cells.argmax(axis=1) + detector.offsets[k]
        # Some come close to an edge, and scatter over it.
        assert np.mean(found == expected) > 0.9, layer
        # A minimum ionising particle leaves about 0.1 MeV in 0.3 mm of silicon.
        assert 0.07 < np.median(cells.max(axis=1)) < 0.2


def test_a_field_bends_particles() -> None:
    r"""p = 0.3 B R: 100 MeV/c in 2 T turn with a radius of 166.8 mm."""
    detector = thin_layers({"x": UNIFORM, "y": UNIFORM}, {"x": UNIFORM, "y": UNIFORM})
    bent = detector.model_copy(
        update={"construction": detector.construction.model_copy(update={"field": (0, 2.0, 0)})}
    )
    events = showers(bent, 20)
    centre = events.detector.positions[events.detector.slice(1)]
    cells = events.cells[:, bent.slice(1)]
    x, y = (np.average(centre[:, k], weights=cells.sum(axis=0)) for k in range(2))
    momentum = np.sqrt((100 + 0.511) ** 2 - 0.511**2)
    radius = momentum / (0.299792458 * 2.0)
    # F = -e v x B: an electron along +z in a field along +y goes to +x.
    assert x == pytest.approx(radius - np.sqrt(radius**2 - 50**2), abs=2.0)
    assert abs(y) < 2.0


def test_energy_is_conserved_and_scaled() -> None:
    full = showers(block(), 10)
    # Some photons leave the block backwards.
    visible = full.cells.sum(axis=1) + full.overflow.sum(axis=1)
    assert np.all(visible < 100.001)
    assert visible.mean() > 95.0
    assert full.provenance["physics"] == "em-analytic"
    assert full.provenance["particle"] == "e-"
    assert list(full.conditions) == ["energy", "pdg", "theta", "phi", "x", "y"]
    scaled = showers(block(factor=3.0), 10)
    np.testing.assert_allclose(scaled.cells, 3 * full.cells, rtol=1e-6)
    np.testing.assert_allclose(scaled.overflow, 3 * full.overflow, rtol=1e-6)


def test_overflow_is_what_lies_beside_the_cells() -> None:
    narrow = thin_layers({"x": (-1.0, 1.0), "y": (-1.0, 1.0)}, {"r": (0.0, 1.0), "n_alpha": 1})
    events = showers(narrow, 10, energy=np.full(10, 1e3), conditions={"x": 5.0})
    assert events.cells.sum() == 0
    assert np.all(events.overflow > 0.05)


def test_birks_law_lowers_what_is_visible() -> None:
    """Python sums the steps up as Geant4's own scorer does; saturation takes a few percent."""
    plastic = "G4_PLASTIC_SC_VINYLTOLUENE"
    plain = showers(block(plastic), 10)
    same, less = (showers(block(plastic, birks=birks), 10) for birks in (1e-15, 0.126))
    np.testing.assert_allclose(same.cells, plain.cells, rtol=1e-6)
    np.testing.assert_allclose(same.overflow, plain.overflow, rtol=1e-6)
    ratio = less.cells.sum() / plain.cells.sum()
    assert 0.9 < ratio < 0.99


def test_slabs_in_front_take_energy() -> None:
    bare = showers(thin_layers({"x": EDGES, "y": EDGES}), 20)
    front = Slab(material="Pb", thickness=10)
    behind = showers(thin_layers({"x": EDGES, "y": EDGES}, before=(front,), gun=5.0), 20)
    # 10 mm of lead are nearly two radiation lengths: several particles come out.
    assert behind.cells.sum() > 1.5 * bare.cells.sum()


def test_materials_of_ones_own() -> None:
    mixture = Compound(density=11.35, composition={"Pb": 1.0})
    same = showers(block("mine", materials={"mine": mixture}), 4)
    lead = showers(block(), 4)
    assert same.cells.sum() == pytest.approx(lead.cells.sum(), rel=0.05)
    with pytest.raises(DetectorError, match="Geant4 has no material 'mine'; name a NIST material"):
        showers(block("mine"), 1)


# The same events everywhere.


def mixed(n: int = 24) -> dict[str, np.ndarray]:
    """Return particles of all kinds."""
    return draw_incident(
        n, ["e-", "gamma", "e+"], (50.0, 500.0), None, {"theta": (0.0, 0.5), "x": (-5.0, 5.0)}, 3
    )


@cache
def whole() -> pg.Events:
    return pg.Events.concatenate(list(FullSimulation(block(), workers=1).stream(mixed(), 7)))


def test_events_do_not_depend_on_the_number_of_workers() -> None:
    two = pg.Events.concatenate(
        list(FullSimulation(block(), workers=2).stream(mixed(), 7, block=10))
    )
    assert_same(two, whole())
    assert len(np.unique(two.cells.sum(axis=1))) == 24


def test_events_do_not_depend_on_their_order() -> None:
    worker, particles = _Worker(FullSimulation(block())), mixed()
    try:
        for i in np.random.default_rng(1).permutation(24).tolist():
            one = {name: values[i : i + 1] for name, values in particles.items()}
            worker.begin(0, one, 1, 7, i)
            cells = worker.connection.recv().cells[0]
            np.testing.assert_array_equal(cells.astype(np.float32), whole().cells[i])
    finally:
        worker.close()


def test_the_block_of_a_killed_worker_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    began, begin = [], _Worker.begin

    def killed(self: _Worker, block: int, *task: object) -> None:
        begin(self, block, *task)
        began.append(block)
        if len(began) in (1, 4):
            os.kill(self.process.pid, signal.SIGKILL)

    monkeypatch.setattr(_Worker, "begin", killed)
    events = pg.Events.concatenate(list(FullSimulation(block(), workers=2).stream(mixed(), 7)))
    assert_same(events, whole())
    assert len(began) > len(set(began))


def test_a_block_that_kills_every_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = _Worker.begin

    def killed(self: _Worker, block: int, *task: object) -> None:
        begin(self, block, *task)
        self.process.kill()

    monkeypatch.setattr(_Worker, "begin", killed)
    with pytest.raises(DataError, match=r"killed 3 times \(exit code -9\); give it more memory"):
        showers(block(), 1)


def test_an_interruption_leaves_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    started, start = [], subprocess.Popen.__init__

    def noted(self: subprocess.Popen, *given: object, **options: object) -> None:
        start(self, *given, **options)
        started.append(self)

    monkeypatch.setattr(subprocess.Popen, "__init__", noted)
    events = FullSimulation(block(), workers=2).stream(mixed(), 7, block=4)
    next(events)
    events.close()
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)


# Bad input.


def test_a_fatal_error_of_geant4_is_one_sentence() -> None:
    flat = thin_layers({"x": EDGES, "y": EDGES}, before=(Slab(material="Pb", thickness=1e-10),))
    with pytest.raises(DataError, match="Geant4 ended with a fatal error in events 0 to 0: ") as e:
        showers(flat, 1)
    assert "too small" in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"particle": "pi+"}, "'em-analytic' has no particle of PDG number 211: it simulates e-,"),
        ({"particle": "graviton"}, "graviton"),
        (
            {"physics": "FTFP"},
            "there is no physics 'FTFP'; available: em-analytic, em-standard, F",
        ),
        ({"physics": "em-standard"}, "missing because GEANT4_DATA_DIR is not set: G4EMLOW8.8, Ph"),
        ({"physics": "QGSP_BERT_HP"}, "G4ENSDFSTATE3.0, G4PARTICLEXS4.2, G4SAIDDATA2.0, G4NDL4.7"),
        (
            {"energy": np.full(1, 1e9)},
            r"energy is 1e\+09, but full simulation needs 0.001 to 1e",
        ),
        ({"conditions": {"theta": 2.0}}, "theta is 2, but full simulation needs 0 to 1.5 rad"),
        ({"conditions": {"theta": (0.4, 0.1)}}, "the range 0.4 to 0.1 of theta runs from high to"),
        ({"conditions": {"z": 1.0}}, "a particle has no condition 'z'; it has theta, phi, x, y"),
        ({"conditions": {"x": np.zeros(3)}}, r"x has shape \(3,\), but n = 1"),
        ({"workers": 0}, "workers = 0 is not positive"),
        ({"cut": -1.0}, "cut = -1 is not positive"),
    ],
)
def test_what_cannot_be_simulated(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, object], sentence: str
) -> None:
    monkeypatch.delenv("GEANT4_DATA_DIR", raising=False)
    with pytest.raises(PhysGanError, match=sentence):
        showers(block(), 1, **given)


def test_data_sets_are_looked_for_by_name(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEANT4_DATA_DIR", str(tmp_path))
    for name in ("G4EMLOW8.8", "PhotonEvaporation5.7", "G4ENSDFSTATE3.0"):
        (tmp_path / name).mkdir()
    with pytest.raises(MissingError) as error:
        showers(block(), 1, physics="em-standard")
    assert error.value.constraint == ("PhotonEvaporation6.1.2",)
    assert f"missing in '{tmp_path}': PhotonEvaporation6.1.2; unpack" in str(error.value)
    # The physics without data sets does not touch them.
    assert showers(block(), 1).cells.sum() > 90
    assert not list((tmp_path / "G4EMLOW8.8").iterdir())


def test_fewer_than_one_shower() -> None:
    with pytest.raises(RangeError, match="n = 0 is less than 1"):
        draw_incident(0)


@pytest.mark.parametrize(
    ("name", "response", "width"),
    [
        ("calochallenge-1-photons", 0.977, 0.04),
        ("calochallenge-2", 0.976, 0.08),
        ("ild-ecal", 0.0236, 0.002),
    ],
)
def test_the_catalogue_simulates(name: str, response: float, width: float) -> None:
    """Means of 8 electrons of 4 GeV; expected are those of 40 others, +- three errors."""
    detector, n, energy = load_detector(name), 8, 4e3
    events = showers(detector, n, energy=np.full(n, energy))
    assert np.mean(events.total_energy()) / energy == pytest.approx(response, abs=width)
    # The axis of the shower is that of the cells.
    centre = events.cells.sum(axis=0) @ detector.positions / events.cells.sum()
    np.testing.assert_allclose(centre, 0, atol=2.5)
