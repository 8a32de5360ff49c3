"""FastDetector and Coverage: what models may simulate, and which takes a particle."""

import os
import pickle

import awkward as ak
import numpy as np
import pytest

import phys_gan as pg
from phys_gan.errors import ConfigError, DetectorError, MissingError, RangeError
from phys_gan.generation import pretrained_names
from phys_gan.generation.plugins import Coverage, FastDetector, read_particles
from phys_gan.generation.plugins import detector as module


def test_a_model_knows_what_it_learned(positron):
    coverage = Coverage.of(positron)
    assert coverage.pdg == (-11,)
    assert coverage.energy == positron.energy_range
    assert 0 < coverage.max_angle < 0.02


@pytest.mark.parametrize(
    ("name", "pdg"),
    [("calogan-eplus", -11), ("calogan-photon", 22), ("calochallenge-2-electron", 11)],
)
def test_cards_know_the_particles_of_pretrained_models(name, pdg):
    assert name in pretrained_names()
    assert Coverage.of(pg.FastSim.load(name), name=name).pdg == (pdg,)


def test_who_asks_for_electrons_gets_them(positron):
    assert Coverage.of(positron, ["e+", 11, "positron"]).pdg == (-11, 11)
    assert Coverage.of(positron, "e-").pdg == (11,)
    with pytest.raises(MissingError, match="'e' is not a known particle"):
        Coverage.of(positron, ["e"])


@pytest.mark.parametrize("text", ["", "e+; gamma"])
def test_a_model_that_does_not_know_its_particle(positron, text):
    known = positron.model.provenance["data_particle"]
    positron.model.provenance["data_particle"] = text
    try:
        with pytest.raises(ConfigError, match="as its particle; name the particles"):
            Coverage.of(positron)
    finally:
        positron.model.provenance["data_particle"] = known


def test_energies_that_the_model_does_not_reach(positron):
    assert Coverage.of(positron, energy=(2e3, 5e4)).energy == (2e3, 5e4)
    with pytest.raises(RangeError, match=r"the model was trained from .* not from 10 to 50000 MeV"):
        Coverage.of(positron, energy=(10.0, 5e4))


def test_no_ranges():
    with pytest.raises(RangeError, match="5 to 2 MeV are not a range"):
        Coverage((22,), (5.0, 2.0))
    with pytest.raises(RangeError, match="the largest angle 180 is not between 0 and pi"):
        Coverage((22,), (1.0, 2.0), 180)


def test_what_is_covered():
    coverage = Coverage((22, 11), (10.0, 20.0), 0.1)
    pdg = np.array([22, 11, -11, 22, 22, 22, 22, 22])
    energy = np.array([10, 20, 15, 9.9, 20.1, 15, np.nan, 15])
    angle = np.array([0, 0.1, 0, 0, 0, 0.11, 0, np.nan])
    assert coverage.holds(pdg, energy, angle).tolist() == [True, True, *[False] * 6]


def along(direction, pdg=-11, energy=1e4):
    names = dict(zip(("px", "py", "pz"), direction, strict=True))
    return read_particles(ak.Array([[{"pdg": pdg, "energy": energy, **names}]]))


def test_each_particle_goes_to_the_model_that_covers_it(detector):
    of = [detector.assign(along((0, 0, 2.0), pdg))[0] for pdg in (-11, 22, 11, 2212)]
    assert of == [0, 1, -1, -1]
    assert detector.assign(along((0, 0, 1.0), 22, 500.0))[0] == -1


def test_the_first_model_goes_first(positron, photon):
    both = Coverage((22, -11), (2e3, 5e4)), Coverage((22, -11), (1e3, 9e4))
    detector = FastDetector([(positron, both[0]), (photon, both[1])])
    of = [detector.assign(along((0, 0, 1.0), 22, energy))[0] for energy in (1.5e3, 1e4, 8e4, 1e5)]
    assert of == [1, 0, 1, -1]


@pytest.mark.parametrize("axis", [(0, 0, 1), (0, 3, 0), (-1, 0, 0)])
def test_angles_are_those_to_the_axis(positron, axis):
    coverage = Coverage.of(positron, max_angle=1e-3)
    detector = FastDetector([(positron, coverage)], axis)
    across = np.roll(axis, 1) / np.linalg.norm(axis)
    unit = np.asarray(axis) / np.linalg.norm(axis)
    assert detector.assign(along(unit + 0.999e-3 * across))[0] == 0
    assert detector.assign(along(unit + 1.001e-3 * across))[0] == -1
    assert detector.assign(along(-unit))[0] == -1


def test_all_directions_may_be_covered_but_not_none(positron):
    detector = FastDetector([(positron, Coverage.of(positron, max_angle=np.pi))])
    assert detector.assign(along((0, 0, -1.0)))[0] == 0
    assert detector.assign(along((0, 0, 0.0)))[0] == -1
    assert detector.assign(along((0, 0, np.nan)))[0] == -1


def test_models_that_do_not_go_together(positron):
    with pytest.raises(ConfigError, match="needs a model"):
        FastDetector([])
    other = pg.FastSim.load("calogan-eplus")
    pairs = [(fast, Coverage((11,), (2e3, 3e3))) for fast in (positron, other)]
    with pytest.raises(DetectorError, match="'small' and 'calogan', whose cells differ"):
        FastDetector(pairs)
    galaxies = pg.FastSim.load("galaxies-32")
    with pytest.raises(ConfigError, match="of a particle only the energy is known"):
        FastDetector([(galaxies, Coverage((22,), (1, 2)))])
    with pytest.raises(ConfigError, match=r"the axis \(0, 0, 0\) is not a direction"):
        FastDetector(pairs[:1], (0, 0, 0))


def test_models_by_name():
    detector = FastDetector.load({"calogan-eplus": ["e+", "e-"], "calogan-photon": None})
    assert [coverage.pdg for _, coverage in detector.models] == [(-11, 11), (22,)]
    assert repr(detector) == "FastDetector(calogan: e+, e-, gamma)"
    assert repr(FastDetector.load("calogan-photon")) == "FastDetector(calogan: gamma)"
    with pytest.raises(MissingError, match="there is no model 'calogan-eminus'"):
        FastDetector.load(["calogan-eminus"])


def test_only_names_travel_and_each_process_loads_once(monkeypatch):
    detector = FastDetector.load(["calogan-photon"])
    text = pickle.dumps(detector)
    assert len(text) < 1000
    assert pickle.loads(text) is detector
    module._load.cache_clear()
    loaded = []
    load = pg.FastSim.load
    monkeypatch.setattr(
        module.FastSim, "load", lambda name, device: loaded.append(name) or load(name, device)
    )
    first, second = pickle.loads(text), pickle.loads(text)
    assert first is second
    assert first is not detector
    assert loaded == ["calogan-photon"]


def test_a_model_that_was_trained_again_is_loaded_again(tmp_path, positron, photon):
    path = tmp_path / "model.safetensors"
    positron.model.save(path)
    first = FastDetector.load([tmp_path])
    assert first.models[0][1].pdg == (-11,)
    photon.model.save(path)
    os.utime(path, (1, 1))
    assert FastDetector.load([tmp_path]).models[0][1].pdg == (22,)


def test_models_from_memory_travel_whole(detector, events):
    again = pickle.loads(pickle.dumps(detector))
    incident = read_particles(events)
    np.testing.assert_array_equal(again.assign(incident), detector.assign(incident))
