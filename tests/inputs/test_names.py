"""Names of files and folders, trees and particles, with the characters that mean something."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

import phys_gan as pg
from helpers import wrong
from phys_gan.data.source import Source, find_sources
from phys_gan.errors import DataError, MissingError, PhysGanError

Run = Callable[..., tuple[int, str, str]]

FILES = (
    "a.h5",
    "run@3/a.h5",
    "run@3/b.h5",
    "user@site/f.root",
    "data:2024/f.root",
    "run[3]/a.h5",
    "run3/other.h5",
    "x[1].h5",
    "x1.h5",
    "my showers/a b.h5",
    "a:b.root",
    "a",
    "e@e-",
    "~odd.h5",
    ".a.123.h5",
    "sub/deep/c.h5",
    "two@x@y:z/a@b:c@d.root",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "user@site"))
    return tmp_path


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("run@3/*.h5", [("run@3/a.h5", "", ""), ("run@3/b.h5", "", "")]),
        ("run@3/*.h5@gamma", [("run@3/a.h5", "", "gamma"), ("run@3/b.h5", "", "gamma")]),
        ("run@3/a.h5@22", [("run@3/a.h5", "", "gamma")]),
        ("user@site/f.root:tree", [("user@site/f.root", "tree", "")]),
        ("user@site/f.root:A:tree", [("user@site/f.root", "A:tree", "")]),
        ("user@site/f.root:A:tree@e-", [("user@site/f.root", "A:tree", "e-")]),
        ("user@site/f.root:run@3", [("user@site/f.root", "run@3", "")]),
        ("user@site/f.root:run@3@gamma", [("user@site/f.root", "run@3", "gamma")]),
        ("user@site/*.root:dir/tree;2", [("user@site/f.root", "dir/tree;2", "")]),
        ("user@*/f.root:a:b@positron", [("user@site/f.root", "a:b", "e+")]),
        ("data:2024/f.root:tree", [("data:2024/f.root", "tree", "")]),
        ("data:2024/*.root:tree@e-", [("data:2024/f.root", "tree", "e-")]),
        ("run[3]/a.h5", [("run[3]/a.h5", "", "")]),
        ("run[3]/*.h5", [("run[3]/a.h5", "", "")]),
        ("x[1].h5", [("x[1].h5", "", "")]),
        ("x[1].h5@e-", [("x[1].h5", "", "e-")]),
        ("x[12].h5", [("x1.h5", "", "")]),
        ("my showers/a b.h5", [("my showers/a b.h5", "", "")]),
        ("my */a*.h5@e-", [("my showers/a b.h5", "", "e-")]),
        ("a:b.root", [("a:b.root", "", "")]),
        ("a:b.root:t", [("a:b.root", "t", "")]),
        ("a:c.root", [("a", "c.root", "")]),
        ("e@e-", [("e@e-", "", "")]),
        ("e@e-@gamma", [("e@e-", "", "gamma")]),
        ("a.h5/", [("a.h5", "", "")]),
        ("run@3/../a.h5", [("run@3/../a.h5", "", "")]),
        ("sub/**/c.h5", [("sub/deep/c.h5", "", "")]),
        ("sub/de**/c.h5", [("sub/deep/c.h5", "", "")]),
        ("sub/*", [("sub/deep", "", "")]),
        ("*a.123.h5", []),
        (".a.*.h5", [(".a.123.h5", "", "")]),
        (
            "two@x@y:z/a@b:c@d.root:t:u@v@mu-",
            [("two@x@y:z/a@b:c@d.root", "t:u@v", "mu-")],
        ),
    ],
)
def test_the_longest_path_that_is_there_is_the_file(
    folder: Path, name: str, found: list[tuple[str, str, str]], absolute: bool
) -> None:
    here = folder if absolute else Path()
    wanted = [Source(here / path, tree, particle) for path, tree, particle in found]
    if not wanted:
        with pytest.raises(MissingError):
            find_sources(str(here / name))
        return
    assert find_sources(str(here / name)) == wanted
    assert find_sources(here / name) == wanted
    # What messages call it means the same again.
    for source in wanted:
        assert find_sources(str(source)) == [source]


def test_names_from_home(folder: Path) -> None:
    assert find_sources("~/f.root:tree@e-") == [Source(folder / "user@site/f.root", "tree", "e-")]
    assert find_sources("~/*.root") == [Source(folder / "user@site/f.root")]
    assert find_sources("~odd.h5") == [Source(Path("~odd.h5"))]
    with pytest.raises(MissingError, match=r"there is no file '~/none.h5'"):
        find_sources("~/none.h5")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("run@3/missing.h5", "there is no file 'run@3/missing.h5'; check the path"),
        ("run@3/missing*.h5", "no file matches 'run@3/missing*.h5'; check the pattern"),
        ("run@3/missing.h5@gamma", "there is no file 'run@3/missing.h5'; check the path"),
        ("user@site/no.root:A:tree@e-", "there is no file 'user@site/no.root'; check the path"),
        ("run[3]/missing.h5", "there is no file 'run[3]/missing.h5'; check the path"),
        ("run[4]/missing.h5", "no file matches 'run[4]/missing.h5'; check the pattern"),
        ("a.h5@gama", "'gama' is not a known particle; available: gamma (22)"),
        ("run@3/*.h5@gama", "'gama' is not a known particle; available: gamma (22)"),
        (5000 * "x", "there is no file"),
        ("a.h5\0", "there is no file"),
    ],
)
def test_what_is_missing_is_named(folder: Path, name: str, sentence: str) -> None:
    with pytest.raises(MissingError) as caught:
        find_sources(name)
    assert sentence in str(caught.value)


def test_no_name_and_a_folder(folder: Path) -> None:
    with pytest.raises(DataError, match="no file is named"):
        find_sources("")
    for name in ("run[3]", "run[3]/", "run[3]@gamma"):
        with pytest.raises(DataError, match=r"'run.3.' is a folder; name its files") as caught:
            pg.read(name)
        # What is advised works, whatever the folder is called.
        assert find_sources(advised(caught.value)) == [Source(Path("run[3]/a.h5"))]
    (folder / "run[3]/a.h5").rename(folder / "run[3]/a.root")
    with pytest.raises(DataError) as caught:
        pg.read("run[3]")
    assert advised(caught.value) == "run[3]/*.root"


def advised(error: PhysGanError | str) -> str:
    """Return the name that a message advises."""
    found = re.search("such as '(.+)'$", str(error).strip())
    assert found, error
    return found[1]


HITS = ["x", "y", "z", "energy"]
MAPPING = """hits = { x = "x", y = "y", z = "z", energy = "energy" }
conditions = { energy = "beam" }"""
DETECTOR = """name = "two"
[[layers]]
kind = "cartesian"
z = [0, 1]
x = [0, 1, 2]
y = [0, 1]"""


@pytest.fixture
def how(tmp_path: Path) -> dict[str, str]:
    """Return how to read trees of hits, as options by name."""
    for name, text in (("mapping.toml", MAPPING), ("two.toml", DETECTOR)):
        (tmp_path / name).write_text(text)
    return {"mapping": str(tmp_path / "mapping.toml"), "detector": str(tmp_path / "two.toml")}


def trees(path: Path, **beams: float) -> Path:
    """Write a tree of hits for each name, in which the particles have this energy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with uproot.recreate(path) as file:
        for name, beam in beams.items():
            hits = {branch: ak.Array([[0.5], [0.5, 0.6]]) for branch in HITS}
            branches = {**dict.fromkeys(HITS, "var * float64"), "beam": "float64"}
            tree = file.mktree(name.removeprefix("again "), branches)
            tree.extend({**hits, "beam": np.full(2, beam)})
    return path


@pytest.mark.parametrize(
    "names",
    [
        ("A:tree", "B:tree"),
        ("run@3", "run@4"),
        ("run@e-", "run@gamma"),
        ("tree;2", "tree"),
        ("dir/A:tree", "dir/sub/tree"),
        ("x y", "[1]"),
    ],
)
@pytest.mark.parametrize("place", ["f.root", "run@3/a:b.root", "run[3]/a b@e-.root"])
def test_the_tree_that_is_advised_is_read(
    tmp_path: Path, run: Run, how: dict[str, str], names: tuple[str, str], place: str
) -> None:
    path = trees(tmp_path / place, **{names[0]: 5.0, names[1]: 7.0})
    with pytest.raises(DataError, match="has 2 trees that would do") as caught:
        pg.read(path, **how)
    assert set(pg.read(advised(caught.value), **how).energy) == {5.0}
    options = [word for name, value in how.items() for word in (f"--{name}", value)]
    said = run("inspect", path, *options)
    wrong(said, f"has 2 trees that would do: '{names[0]}', '{names[1]}'")
    code, out, _ = run("inspect", advised(said[2]), *options)
    assert code == 0
    assert "5 MeV to 5 MeV" in out
    particle = f"{advised(caught.value)}@mu-"
    assert set(pg.read(particle, **how).conditions["pdg"]) == {13.0}
    code, out, _ = run("convert", particle, tmp_path / "out.h5", *options)
    assert code == 0
    assert set(pg.read(tmp_path / "out.h5").conditions["pdg"]) == {13.0}


def test_of_a_tree_that_was_written_again_the_last_is_read(
    tmp_path: Path, how: dict[str, str]
) -> None:
    path = trees(tmp_path / "f.root", **{"dir/tree": 5.0, "again dir/tree": 7.0})
    for name, beam in (("dir/tree", 7.0), ("dir/tree;2", 7.0), ("dir/tree;1", 5.0), ("", 7.0)):
        assert set(pg.read(f"{path}:{name}", **how).energy) == {beam}
    assert set(pg.read(f"{path}:/dir/tree", **how).energy) == {7.0}
    with pytest.raises(MissingError, match=r"has no tree 'dir/tree;3'.*; it holds 'dir/tree'"):
        pg.read(f"{path}:dir/tree;3", **how)


def test_a_particle_that_is_not_known_is_named_as_such(tmp_path: Path, how: dict[str, str]) -> None:
    path = trees(tmp_path / "f.root", tree=5.0)
    with pytest.raises(MissingError, match="'gama' is not a known particle"):
        pg.read(f"{path}:tree@gama", **how)
    with pytest.raises(MissingError, match=r"has no tree 'tre@e' .nearest: 'tree'"):
        pg.read(f"{path}:tre@e", **how)


def test_a_tree_of_a_file_that_has_none(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["energy"] = np.ones(3)
    wrong(run("inspect", f"{path}:tree"), "a file in HDF5 has no trees; leave ':tree' out")


def test_the_particle_that_is_advised_is_read(tmp_path: Path, how: dict[str, str]) -> None:
    path = trees(tmp_path / "run@3/f.root", **{"A:tree": 5.0, "other": 7.0})
    with pytest.raises(DataError, match="does not say which particle") as caught:
        pg.read([f"{path}:A:tree", f"{path}:other@e-"], **how)
    assert advised(caught.value) == f"{path}:A:tree@gamma"
    events = pg.read([advised(caught.value), f"{path}:other@e-"], **how)
    assert events.conditions["pdg"].tolist() == [22, 22, 11, 11]
