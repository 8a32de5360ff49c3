from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from helpers import complain
from phys_gan.data import read, write
from phys_gan.detectors import load_detector
from phys_gan.errors import DataError, DetectorError, MissingError
from phys_gan.events import Events


def columns(n: int = 3, n_cells: int = 504) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    cells = {f"cell_{i}": rng.random(n) * 20 for i in range(n_cells)}
    return {**cells, "TotalEnergy": np.full(n, 5.0)}


def make(path: Path, **trees: dict[str, np.ndarray]) -> None:
    with uproot.recreate(path) as file:
        for name, branches in trees.items():
            file.mktree(name, {key: values.dtype for key, values in branches.items()})
            if len(next(iter(branches.values()))):
                file[name].extend(branches)


def test_a_foreign_tree_of_floats(tmp_path: Path) -> None:
    branches = {name: values.astype(np.float32) for name, values in columns().items()}
    make(tmp_path / "a.root", showers=branches)
    events = read(tmp_path / "a.root")
    assert events.overflow is None
    np.testing.assert_array_equal(events.cells[:, 300], branches["cell_300"])
    np.testing.assert_array_equal(events.energy, 5000)
    assert events.detector == load_detector("calogan")


def test_overflow_and_other_branches(tmp_path: Path) -> None:
    make(tmp_path / "a.root", fancy_tree={**columns(n_cells=507), "eventID": np.arange(3)})
    events = read(tmp_path / "a.root")
    assert events.overflow is not None
    assert events.overflow.shape == (3, 3)
    assert list(events.conditions) == ["energy", "eventID"]
    assert events.conditions["eventID"].tolist() == [0, 1, 2]


def test_which_tree(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    # Already these two branches make a tree a candidate.
    decoy = {"TotalEnergy": np.ones(2), "cell_0": np.ones(2)}
    make(path, setup={"x": np.ones(2)}, shower=columns())
    assert len(read(path)) == len(read(f"{path}:shower")) == 3
    make(path, one=decoy, fancy_tree=columns(7))
    assert len(read(path)) == 7
    message = complain(f"{path}:fancytree", MissingError)
    assert (
        "has no tree 'fancytree' (nearest: 'fancy_tree'); it holds 'one', 'fancy_tree'" in message
    )
    make(path, one=decoy, two=decoy)
    assert "has 2 trees that would do: 'one', 'two'; name one, such as" in complain(path, DataError)


def test_no_such_tree(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    make(path, events={"Energy": np.ones(2), "cells": np.ones(2)})
    message = complain(path, MissingError)
    assert "it holds the trees 'events' with the branches 'Energy', 'cells'" in message
    assert "'calogan-root' needs" in message
    assert (
        "has no tree with the branches 'TotalEnergy', 'cell_0'; it holds the tree 'e"
        in complain(path, MissingError, format="calogan-root")
    )
    with uproot.recreate(path) as file:
        file["text"] = "hello"
    assert "it holds no tree; phys_gan knows calogan-root" in complain(path, MissingError)


def test_missing_branches(tmp_path: Path) -> None:
    branches = columns()
    branches["cell77"] = branches.pop("cell_77")
    del branches["cell_78"]
    make(tmp_path / "a.root", fancy_tree=branches)
    assert "lacks 2 of 504 branches: 'cell_77', 'cell_78' (nearest: 'cell77'" in complain(
        tmp_path / "a.root", MissingError
    )


def test_a_branch_with_many_numbers(tmp_path: Path) -> None:
    branches = columns()
    branches["cell_5"] = np.ones((3, 2))
    with uproot.recreate(tmp_path / "a.root") as file:
        kinds = {name: np.dtype("f8") for name in branches} | {"cell_5": np.dtype((float, (2,)))}
        file.mktree("fancy_tree", kinds).extend(branches)
    assert "branch 'cell_5' does not hold one number per event" in complain(
        tmp_path / "a.root", DataError
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cell_9": np.array([1, np.nan, 1])}, "cells hold NaN or infinite values in 1 of 3"),
        ({"cell_9": np.array([1, -3.0, 1])}, "smallest -3 MeV"),
        ({"TotalEnergy": np.full(3, 5000.0)}, "energies look like MeV where GeV is expected"),
        ({"TotalEnergy": np.array([1, -1.0, 1])}, "an incident energy is -1000 MeV"),
    ],
)
def test_bad_values(tmp_path: Path, change: dict[str, np.ndarray], sentence: str) -> None:
    make(tmp_path / "a.root", fancy_tree={**columns(), **change})
    assert sentence in complain(tmp_path / "a.root", DataError)


def test_no_events(tmp_path: Path) -> None:
    make(tmp_path / "a.root", fancy_tree=columns(0))
    assert "it holds no events" in complain(tmp_path / "a.root", DataError)


def test_other_detectors(tmp_path: Path) -> None:
    make(tmp_path / "a.root", fancy_tree=columns())
    message = complain(tmp_path / "a.root", DetectorError, detector="calochallenge-2")
    assert "holds the cells of 'calogan', not those of 'calochallenge-2'" in message


def test_foreign_object_under_our_name(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file["phys_gan"] = "hello"
        file.mktree("fancy_tree", dict.fromkeys(columns(), "f8")).extend(columns())
    assert "the entry 'phys_gan' does not hold" in complain(tmp_path / "a.root", DataError)


def test_conditions_have_branches(tmp_path: Path) -> None:
    conditions = {"energy": [8.0, 9.0], "pdg": [11, -11]}
    events = Events(np.ones((2, 504)), conditions, load_detector("calogan"))
    write(tmp_path / "a.root", events)
    with uproot.open(tmp_path / "a.root") as file:
        np.testing.assert_array_equal(
            file["fancy_tree/condition_pdg"].array(library="np"), [11, -11]
        )
    np.testing.assert_array_equal(read(tmp_path / "a.root").condition("pdg"), [11, -11])
