"""The packaged models: found by name, whole, small, and honest about where they are valid."""

import re
import socket

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.errors import MissingError, RangeError
from phys_gan.generation import find_model, model_card, pretrained_names

NAMES = pretrained_names()
SHOWERS = [name for name in NAMES if "galaxies" not in name]


def test_which_there_are():
    assert {"calogan-eplus", "calogan-photon", "calochallenge-2-electron"} <= set(NAMES)
    assert any("galaxies" in name for name in NAMES)


def test_they_fit_into_the_wheel():
    assert sum(find_model(name).stat().st_size for name in NAMES) < 25e6


@pytest.mark.parametrize("name", NAMES)
def test_they_have_a_card_and_what_to_cite(name):
    card = model_card(name)
    for heading in ("## Data", "## Recipe", "## Numbers", "## Valid", "## Licence"):
        assert heading in card
    assert re.search(r"\d\.\d+ ± \d", card)
    assert "@" in pg.cite(name)


@pytest.mark.parametrize("name", SHOWERS)
def test_they_generate_offline(name, monkeypatch):
    def refused(*_):
        raise AssertionError("nothing is fetched")

    monkeypatch.setattr(socket.socket, "connect", refused)
    fast = pg.FastSim.load(name)
    assert sum(p.numel() for p in fast.model.generator.parameters()) <= 3_000_000
    low, high = fast.energy_range
    energy = np.linspace(low, high, 50)
    events = fast.generate({"energy": energy}, seed=1)
    response = events.total_energy() / energy
    assert abs(response.mean() - (1.0 if "calogan" in name else 1.05)) < 0.1
    assert events.detector.name == ("calogan" if "calogan" in name else "calochallenge-2")


@pytest.mark.parametrize("name", SHOWERS)
def test_energies_beyond_the_training_are_refused(name):
    fast = pg.FastSim.load(name)
    low, high = fast.energy_range
    for energy in (0.9 * low, 1.1 * high):
        with pytest.raises(RangeError, match="the model was trained from"):
            fast.generate({"energy": [energy]})


def test_a_file_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calogan-eplus").mkdir()
    (tmp_path / "calogan-eplus" / "model.safetensors").write_bytes(b"mine")
    assert find_model("calogan-eplus").read_bytes() == b"mine"


def test_there_is_no_such_model():
    with pytest.raises(MissingError, match=r"nearest pretrained one: calogan-eplus.*calogan-phot"):
        find_model("calogan-eplu")
    with pytest.raises(MissingError, match="available: calo"):
        model_card("nonsense")
