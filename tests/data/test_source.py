from __future__ import annotations

from pathlib import Path

import pytest

from phys_gan.data.source import Source, find_sources
from phys_gan.errors import DataError, MissingError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.h5", "a.h5", "c.root", "odd:name.h5", "sub/d.h5", "x[1].h5"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_and_several(folder: Path) -> None:
    assert find_sources("a.h5") == [Source(Path("a.h5"))]
    assert find_sources(folder / "a.h5") == [Source(folder / "a.h5")]
    assert find_sources(["b.h5", Path("a.h5")]) == [Source(Path("b.h5")), Source(Path("a.h5"))]


@pytest.mark.parametrize("prefix", ["", "{}/"])
def test_patterns_are_in_the_order_of_names(folder: Path, prefix: str) -> None:
    found = find_sources(prefix.format(folder) + "[ab].h5")
    assert [source.path.name for source in found] == ["a.h5", "b.h5"]
    found = find_sources(prefix.format(folder) + "**/d.h5")
    assert [source.path.name for source in found] == ["d.h5"]


def test_trees(folder: Path) -> None:
    assert find_sources("c.root:deep/tree") == [Source(Path("c.root"), "deep/tree")]
    assert find_sources("*.root:tree") == [Source(Path("c.root"), "tree")]
    assert str(Source(Path("c.root"), "tree")) == "c.root:tree"


def test_odd_names_are_taken_as_they_are(folder: Path) -> None:
    assert find_sources("odd:name.h5") == [Source(Path("odd:name.h5"))]
    assert find_sources("x[1].h5") == [Source(Path("x[1].h5"))]


@pytest.mark.parametrize(
    ("paths", "sentence"),
    [
        ("none.h5", "there is no file 'none.h5'"),
        ("none.root:tree", "there is no file 'none.root'"),
        ("*.fits", r"no file matches '\*.fits'"),
        (["a.h5", "none.h5"], "there is no file 'none.h5'"),
    ],
)
def test_missing(folder: Path, paths: str | list[str], sentence: str) -> None:
    with pytest.raises(MissingError, match=sentence):
        find_sources(paths)


def test_nothing_and_twice(folder: Path) -> None:
    with pytest.raises(DataError, match="no file is named"):
        find_sources([])
    with pytest.raises(DataError, match=r"'a.h5' is named twice"):
        find_sources([folder / "a.h5", "*.h5"])
