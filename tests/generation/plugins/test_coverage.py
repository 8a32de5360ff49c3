"""What a model may simulate."""

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.errors import ConfigError, MissingError, RangeError
from phys_gan.generation import pretrained_names
from phys_gan.generation.plugins import Coverage


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
        with pytest.raises(ConfigError, match="about its particle; name the particles"):
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
