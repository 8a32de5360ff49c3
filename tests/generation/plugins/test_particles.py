"""Particles under the names that pipelines give them."""

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.errors import ConfigError, DataError, MissingError
from phys_gan.generation.plugins import read_particles

COMPONENT = st.floats(0.1, 1e5).flatmap(lambda size: st.sampled_from([-size, size]))


def spelled(name, p, pdg):
    """Return one event of one particle of momentum p."""
    x, y, z = p
    pt, size = np.hypot(x, y), np.linalg.norm(p)
    angles = {"phi": np.arctan2(y, x)}
    eta, theta = {"eta": np.arcsinh(z / pt)}, {"theta": np.arctan2(pt, z)}
    mass = {11: 0.51099895, 2212: 938.27208816}[pdg]
    record = {
        "cartesian": {"pdg": pdg, "px": x, "py": y, "pz": z},
        "NanoAOD": {"pdgId": pdg, "pt": pt, **eta, **angles, "mass": 0.0},
        "theta": {"pid": pdg, "pt": pt, **theta, **angles},
        "EDM4hep": {"PDG": pdg, "momentum": {"x": x, "y": y, "z": z}, "mass": mass},
        "branches": {"PDG": pdg, **{f"momentum.{a}": v for a, v in zip("xyz", p, strict=True)}},
        "vector": {"pdg": pdg, "x": x, "y": y, "z": z, "t": np.hypot(size, mass)},
        "vector, angles": {"pdg": pdg, "rho": pt, **eta, **angles, "tau": mass},
        "total energy": {"pdg": pdg, "pt": pt, **eta, **angles, "energy": np.hypot(size, mass)},
    }[name]
    array = ak.Array([[record]])
    vector = name.startswith("vector") or name == "total energy"
    return ak.with_name(array, "Momentum4D") if vector else array


NAMES = [
    "cartesian",
    "NanoAOD",
    "theta",
    "EDM4hep",
    "branches",
    "vector",
    "vector, angles",
    "total energy",
]


@pytest.mark.parametrize("name", NAMES)
@given(st.tuples(COMPONENT, COMPONENT, COMPONENT), st.sampled_from([11, 2212]))
def test_all_names_say_the_same(name, p, pdg):
    incident = read_particles(spelled(name, p, pdg))
    mass = {11: 0.51099895, 2212: 938.27208816}[pdg]
    kinetic = np.sqrt(np.dot(p, p) + mass**2) - mass
    assert incident.pdg.tolist() == [pdg]
    # The difference of two nearly equal numbers is what is inexact here.
    np.testing.assert_allclose(incident.energy, kinetic, rtol=1e-6, atol=1e-9)
    unit = incident.direction / np.linalg.norm(incident.direction, axis=1, keepdims=True)
    np.testing.assert_allclose(unit[0], np.array(p) / np.linalg.norm(p), atol=1e-7)


def test_a_kinetic_energy_goes_before_the_momentum():
    record = {"pdg": 2212, "energy": 5.0, "px": 0.0, "py": 0.0, "pz": 1.0}
    assert read_particles(ak.Array([[record]]), "GeV").energy.tolist() == [5000.0]


def test_masked_vectors_are_vectors():
    vectors = ak.concatenate([spelled("total energy", (3.0, 4.0, 0.0), 2212)] * 2, axis=1)
    incident = read_particles(ak.mask(vectors, [[True, False]]))
    kinetic = np.hypot(5, 938.27208816) - 938.27208816
    np.testing.assert_allclose(incident.energy, [kinetic, np.nan])
    incident = read_particles(ak.mask(ak.concatenate([vectors, vectors]), [False, True]))
    assert incident.counts.tolist() == [0, 2]
    np.testing.assert_allclose(incident.energy, [kinetic, kinetic])


@pytest.mark.parametrize("pdg", [np.nan, None])
def test_a_kind_that_is_no_number(pdg):
    record = {"pdg": 11.0, "energy": 5.0, "eta": 1.0, "phi": 0.0}
    incident = read_particles(ak.Array([[record, {**record, "pdg": pdg}]]))
    assert incident.pdg.tolist() == [11, 0]


def test_units():
    record = {"pdg": 2212, "px": 0.0, "py": 0.0, "pz": 1.0}
    mass = 0.93827208816
    expected = 1000 * (np.hypot(1, mass) - mass)
    assert read_particles(ak.Array([[record]]), "GeV").energy[0] == pytest.approx(expected)
    with pytest.raises(ConfigError, match="'GEV' is not a unit of energy; give one of eV, keV"):
        read_particles(ak.Array([[record]]), "GEV")


def test_a_kind_that_is_not_known_has_the_mass_of_its_field():
    record = {"pdg": 3122, "px": 0.0, "py": 0.0, "pz": 3.0, "mass": 4.0}
    assert read_particles(ak.Array([[record]])).energy.tolist() == [1.0]
    record.pop("mass")
    assert np.isnan(read_particles(ak.Array([[record]])).energy).all()


def test_along_the_beam_a_transverse_momentum_says_no_energy():
    record = {"pdg": 22, "pt": 0.0, "theta": 0.0, "phi": 0.0}
    incident = read_particles(ak.Array([[record]]))
    assert np.isnan(incident.energy).all()
    assert incident.direction.tolist() == [[0, 0, 1]]


def test_none_at_every_depth():
    one = {"pdg": 22, "energy": 5.0, "eta": 1.0, "phi": 0.0}
    particles = ak.Array([[one, None, {**one, "energy": None}], None, [], [{**one, "pdg": None}]])
    incident = read_particles(particles)
    assert incident.counts.tolist() == [3, 0, 0, 1]
    assert incident.present.tolist() == [True, False, True, True]
    assert incident.pdg.tolist() == [22, 0, 22, 0]
    np.testing.assert_array_equal(incident.energy, [5, np.nan, np.nan, 5])
    assert incident.event.tolist() == [0, 0, 0, 3]
    assert incident.index.tolist() == [0, 1, 2, 0]
    jagged = incident.jagged(np.array([True, False, True, False]))
    assert jagged.to_list() == [[True, None, True], None, [], [False]]


@pytest.mark.parametrize("array", [[], [[], []], [None, []]])
def test_no_particles(array):
    incident = read_particles(ak.Array(array))
    assert len(incident) == 0
    assert incident.n_events == len(array)
    assert incident.direction.shape == (0, 3)


@pytest.mark.parametrize("gone", ["pdg", "phi", "eta"])
def test_a_field_is_missing(gone):
    record = {"pdg": 22, "energy": 5.0, "eta": 1.0, "phi": 0.0}
    record.pop(gone)
    what = "kind" if gone == "pdg" else "direction"
    with pytest.raises(MissingError, match=rf"no field for their {what} .*they have "):
        read_particles(ak.Array([[record]]))


def test_there_is_neither_energy_nor_momentum():
    with pytest.raises(MissingError, match=r"their energy \(one of energy; px, py, pz; pt\)"):
        read_particles(ak.Array([[{"pdg": 22, "eta": 1.0, "phi": 0.0}]]))


def test_particles_without_events():
    with pytest.raises(DataError, match="not a list of records per event"):
        read_particles(ak.Array([{"pdg": 22}]))
