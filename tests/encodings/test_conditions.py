"""Conditions: kinds and ranges, numbers and back, and how symmetries move them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.detectors import load_detector
from phys_gan.encodings import ShowerEncoding
from phys_gan.encodings.conditions import Condition, choose_conditions, surviving
from phys_gan.encodings.shower import ShowerEncodingConfig
from phys_gan.errors import ConfigError, DataError, MissingError, RangeError
from phys_gan.events import Events

CALOGAN = load_detector("calogan")
POLAR = load_detector("calochallenge-2")
KINDS = {
    "energy": Condition(kind="energy"),
    "theta": Condition(kind="linear"),
    "phi": Condition(kind="periodic"),
    "x": Condition(kind="linear"),
    "y": Condition(kind="linear"),
    "pdg": Condition(kind="categorical", values=(11.0, 22.0)),
}


def showers(n=40, detector=CALOGAN, seed=0, **fixed):
    rng = np.random.default_rng(seed)
    conditions = {
        "energy": rng.uniform(1e3, 1e5, n),
        "theta": rng.uniform(0, 0.6, n),
        "phi": rng.uniform(-np.pi, np.pi, n),
        "x": rng.uniform(-5, 5, n),
        "y": rng.uniform(-5, 5, n),
        "pdg": rng.choice([11.0, 22.0], n),
    } | {name: np.full(n, value) for name, value in fixed.items()}
    cells = rng.exponential(10, (n, detector.n_cells))
    return Events(cells, conditions, detector)


def fitted(events):
    told = choose_conditions(None, [events])
    return ShowerEncoding(events.detector, ShowerEncodingConfig(conditions=told)).fit(events)


def test_what_varies_is_told_with_the_energy_first():
    events = showers()
    assert choose_conditions(None, [events]) == KINDS
    same = showers(theta=0.2, pdg=22)
    assert list(choose_conditions(None, [same])) == ["energy", "phi", "x", "y"]
    alone = Events(events.cells, {"y": events.conditions["y"], "energy": [5e4] * 40}, CALOGAN)
    assert list(choose_conditions(None, [alone])) == ["energy", "y"]


def test_what_is_named_is_told():
    told = choose_conditions({"pdg": Condition(kind="categorical")}, [showers()])
    assert told == {"pdg": KINDS["pdg"]}
    with pytest.raises(MissingError, match="eta"):
        choose_conditions({"eta": Condition(kind="linear")}, [showers()])
    with pytest.raises(DataError, match="'energy' takes 300 values"):
        choose_conditions({"energy": Condition(kind="categorical")}, [showers(300)])


def test_positive_values_over_decades_are_logarithms():
    flux = Events(np.ones((2, 504)), {"flux": [1, 100], "mass": [1, 2]}, CALOGAN)
    kinds = {name: told.kind for name, told in choose_conditions(None, [flux]).items()}
    assert kinds == {"flux": "log", "mass": "linear"}


def test_numbers_and_back():
    events = showers()
    encoding = fitted(events)
    c = encoding.encode_conditions(events.conditions, len(events))
    assert c.shape == (40, encoding.n_conditions) == (40, 2 + 1 + 2 + 1 + 1 + 2)
    for name, values in encoding.decode_conditions(c.double()).items():
        np.testing.assert_allclose(values, events.conditions[name], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(encoding.incident_energy(c), events.energy, rtol=1e-6)
    assert c.abs().max() <= 1 + 1e-6


@given(st.floats(-20, 20), st.integers(1, 6))
def test_a_turn_by_a_period_changes_nothing(angle, order):
    told = Condition(kind="periodic", order=order)
    zero = torch.zeros(())
    first, turned = (
        torch.stack(told.encode(torch.tensor([a], dtype=torch.float64), zero, zero))
        for a in (angle, angle + 2 * np.pi / order)
    )
    torch.testing.assert_close(first, turned)
    again = told.decode(first.T, zero, zero)
    torch.testing.assert_close(torch.stack(told.encode(again, zero, zero)), first)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("energy", 1e6, "energies from 1e\\+06 to 1e\\+06 MeV were asked for"),
        ("theta", 0.9, "'theta' from 0.9 to 0.9 were asked for"),
        ("pdg", 13, "'pdg' is 13, but the model was trained with 11, 22"),
    ],
)
def test_values_that_no_event_had(name, value, sentence):
    events = showers()
    conditions = {key: values[:1] for key, values in events.conditions.items()}
    with pytest.raises(RangeError, match=sentence):
        fitted(events).encode_conditions({**conditions, name: [value]}, 1)
    # Any angle is one.
    fitted(events).encode_conditions({**conditions, "phi": [99.0]}, 1)


def test_kinds_that_contradict_themselves():
    with pytest.raises(ValueError, match="has no order"):
        Condition(kind="linear", order=2)
    with pytest.raises(ValueError, match="has no list of values"):
        Condition(kind="log", values=(1.0,))
    with pytest.raises(ValueError, match="finite and different"):
        Condition(kind="categorical", values=(1.0, 1.0))
    with pytest.raises(ConfigError, match="must know their incident energy"):
        ShowerEncoding(CALOGAN, ShowerEncodingConfig(conditions={"theta": "linear"}))


@pytest.mark.parametrize("detector", [CALOGAN, POLAR], ids=["cartesian", "polar"])
def test_symmetries_move_cells_and_conditions_alike(detector):
    """A spot where the particle comes in, and one where it points to, stay there."""
    rng = np.random.default_rng(1)
    group, actions = detector.symmetry_group(), detector.symmetry_actions()
    centres = detector.points[:, :2]
    n = 6
    chosen = rng.integers(detector.n_cells, size=n)
    conditions = {
        "energy": np.full(n, 1e4),
        "theta": np.full(n, 0.1),
        "phi": np.arctan2(centres[chosen, 1], centres[chosen, 0]),
        "x": centres[chosen, 0],
        "y": centres[chosen, 1],
    }
    cells = np.zeros((n, detector.n_cells))
    cells[np.arange(n), chosen] = 1.0
    whole = showers(200, detector)
    far = {"x": rng.uniform(-500, 500, 200), "y": rng.uniform(-500, 500, 200)}
    encoding = fitted(
        Events(whole.cells, {**whole.conditions, **far, "pdg": [11.0] * 200}, detector)
    )
    c = encoding._encode_conditions({k: torch.tensor(v) for k, v in conditions.items()}).double()
    for element, matrix in zip(group, actions, strict=True):
        moved = encoding.moved(c, torch.from_numpy(np.tile(matrix, (n, 1, 1))))
        values = encoding.decode_conditions(moved)
        where = centres[cells[:, element].argmax(axis=1)]
        np.testing.assert_allclose(torch.stack([values["x"], values["y"]], 1), where, atol=0.01)
        angle = np.arctan2(where[:, 1], where[:, 0])
        np.testing.assert_allclose(values["phi"].cos(), np.cos(angle), atol=1e-4)
        np.testing.assert_allclose(values["phi"].sin(), np.sin(angle), atol=1e-4)


def test_symmetries_that_survive():
    every = range(4)
    # Identity, the reflection of y, that of x, and both.
    names = ["energy", "theta", "phi", "x", "y"]
    assert list(surviving(CALOGAN, names, showers())) == list(every)
    upright = showers(theta=0, x=0, y=0)
    assert list(surviving(CALOGAN, ["energy"], upright)) == list(every)
    assert list(surviving(CALOGAN, ["energy", "theta"], showers(phi=0, x=0, y=0))) == [0, 1]
    assert list(surviving(CALOGAN, ["energy", "theta"], showers(x=0, y=0))) == [0]
    assert list(surviving(CALOGAN, ["energy", "x"], showers(theta=0, y=0))) == list(every)
    assert list(surviving(CALOGAN, ["energy", "x"], showers(theta=0, y=3))) == [0, 2]
    assert len(surviving(POLAR, names, showers(detector=POLAR))) == 32
    off = showers(detector=POLAR, theta=0, y=0)
    assert len(surviving(POLAR, ["energy", "x"], off)) == 4
    bare = Events(upright.cells, {"energy": upright.energy}, CALOGAN)
    assert list(surviving(CALOGAN, ["energy"], bare)) == list(every)
