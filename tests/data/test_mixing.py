"""Files of several particles: the condition ``pdg``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phys_gan.data import read, stream, write
from phys_gan.detectors import load_detector
from phys_gan.errors import DataError, MissingError
from phys_gan.events import Events

CALOGAN = load_detector("calogan")


def make(path: Path, particle: str = "", n: int = 3, **conditions: float) -> None:
    more = {name: np.full(n, value) for name, value in conditions.items()}
    energy = {"energy": np.full(n, 504.0)}
    said = {"particle": particle} if particle else {}
    write(path, Events(np.ones((n, 504)), energy | more, CALOGAN, provenance=said))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make(tmp_path / "eplus.h5", "e+")
    make(tmp_path / "eplus2.h5", "e+")
    make(tmp_path / "gamma.h5", "gamma")
    make(tmp_path / "silent.h5")
    make(tmp_path / "own.h5", pdg=11)
    return tmp_path


def pdg(*paths: str | Path) -> list[float] | None:
    events = read(paths)
    same = stream(paths, 100, epochs=1).found.conditions
    assert set(same) == set(events.conditions)
    if "pdg" not in events.conditions:
        return None
    np.testing.assert_array_equal(same["pdg"], events.conditions["pdg"])
    return list(events.conditions["pdg"])


def test_one_particle_is_no_condition(home: Path) -> None:
    assert pdg(home / "eplus.h5") is None
    assert pdg(home / "eplus.h5", home / "eplus2.h5") is None


def test_files_that_say_it(home: Path) -> None:
    assert pdg(home / "eplus.h5", home / "gamma.h5") == [-11] * 3 + [22] * 3
    assert pdg(home / "own.h5", home / "gamma.h5") == [11] * 3 + [22] * 3


def test_the_user_says_it(home: Path) -> None:
    assert pdg(f"{home}/silent.h5@pi+", home / "gamma.h5") == [211] * 3 + [22] * 3
    assert pdg(f"{home}/silent.h5@211") == [211] * 3
    assert pdg(f"{home}/eplus*.h5@positron") == [-11] * 6
    # What the user says comes before what the file says.
    assert pdg(f"{home}/eplus.h5@e-") == [11] * 3


def test_what_does_not_go_together(home: Path) -> None:
    with pytest.raises(
        DataError, match=r"silent.h5' does not say which particle .*silent.h5@gamma"
    ):
        read([home / "eplus.h5", home / "gamma.h5", home / "silent.h5"])
    with pytest.raises(DataError, match=r"own.h5' says of each event .* leave '@gamma' out"):
        read(f"{home}/own.h5@gamma")
    with pytest.raises(MissingError, match="'higgs' is not a known particle"):
        read(f"{home}/silent.h5@higgs")


def test_names_with_an_at_sign(home: Path) -> None:
    make(home / "a@gamma.h5")
    assert pdg(home / "a@gamma.h5") is None
    assert pdg(f"{home}/a@gamma.h5@e-") == [11] * 3
    (home / "a@gamma.h5").rename(home / "a.h5@gamma")
    assert pdg(home / "a.h5@gamma") is None
