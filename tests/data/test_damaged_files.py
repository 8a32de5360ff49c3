"""Files that are damaged or no files of events, and files that cannot be written, by layout."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import full_disk
from phys_gan.data import FORMATS, convert, read, write
from phys_gan.errors import DataError, OutputError, PhysGanError
from phys_gan.events import Events

pytest.importorskip("astropy")

Copied = Callable[[str], Path]
Wrong = Callable[..., PhysGanError]
Sample = Callable[..., Events]
Sentence = Callable[..., None]


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


NO_FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (Path.unlink, "there is no file"),
    "empty": (lambda path: path.write_bytes(b""), "is empty (0 bytes)"),
    "text": (lambda path: path.write_text("E,x,y\n1,2,3\n"), "is text, not a data file"),
    "magic": (
        lambda path: path.write_bytes(b"\xffABC" + path.read_bytes()[4:]),
        "is neither HDF5, ROOT nor FITS, not a data file",
    ),
    "folder": (lambda path: (path.unlink(), path.mkdir()), "is a folder"),
}


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("case", NO_FILES)
def test_no_file_of_events(copied: Copied, wrong: Wrong, layout: str, case: str) -> None:
    path = copied(layout)
    NO_FILES[case][0](path)
    wrong(path, NO_FILES[case][1])


@pytest.mark.parametrize("layout", FORMATS)
def test_no_permission(
    copied: Copied, one_sentence: Sentence, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copied(layout)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError) as caught:
        read(path)
    one_sentence(caught.value, f"cannot read '{path}': Permission denied; check its permissions")


def same(one: Events, two: Events) -> bool:
    return np.array_equal(one.cells, two.cells) and one.detector == two.detector


@pytest.mark.parametrize("layout", FORMATS)
def test_cut_at_any_length(
    copied: Copied, sample: Sample, one_sentence: Sentence, layout: str
) -> None:
    path = copied(layout)
    content = path.read_bytes()

    @settings(max_examples=25)
    @given(share=st.floats(0, 1, exclude_max=True))
    def cut(share: float) -> None:
        path.write_bytes(content[: int(share * len(content))])
        try:
            events = read(path)
        except PhysGanError as error:
            one_sentence(error, str(path))
        else:
            # The last bytes of a ROOT file are not needed.
            assert share > 0.99
            assert np.array_equal(events.cells, sample(layout).cells)

    cut()


def names_the_file(error: PhysGanError, path: Path) -> None:
    # Names that are read from damaged bytes may look like anything, also like two sentences.
    assert "\n" not in str(error)
    assert str(path) in str(error)
    assert error.remedy


# Damaged attributes can take the HDF5 library itself down, and the process with it.
@pytest.mark.parametrize("layout", [n for n in FORMATS if FORMATS[n].container != "HDF5"])
def test_any_bytes_changed(copied: Copied, layout: str) -> None:
    path = copied(layout)
    content = path.read_bytes()
    places = st.integers(9, len(content) - 1)

    @settings(max_examples=5 if layout == "calogan-root" else 30)
    @given(changes=st.dictionaries(places, st.integers(0, 255), min_size=1, max_size=3))
    def change(changes: dict[int, int]) -> None:
        damaged = bytearray(content)
        for place, value in changes.items():
            damaged[place] = value
        path.write_bytes(damaged)
        try:
            read(path)
        except PhysGanError as error:
            names_the_file(error, path)

    change()


# Files that cannot be written.


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("layout", "size"),
    # A tree of 500 branches takes a second to write.
    [
        (n, size)
        for n in FORMATS
        for size in (0, 3000, 12_000)
        if size == 3000 or n != "calogan-root"
    ],
)
def test_a_full_disk(
    copied: Copied, sample: Sample, one_sentence: Sentence, layout: str, size: int
) -> None:
    path = copied(layout)
    before, events = contents(path.parent), sample(layout, 4 if layout == "calogan-root" else 500)
    source = path.parent / "source"
    shutil.copytree(path.parent, source)
    if layout != "calogan-root":
        write(source / path.name, events, format=layout)
    tries: list[Callable[[], Any]] = [
        lambda: write(path, events, format=layout),
        lambda: write(path, events, append=True),
        lambda: convert(source / path.name, path, to=layout),
    ]
    for attempt in tries:
        with pytest.raises(OutputError) as caught, full_disk(size):
            attempt()
        # Stamps of galaxies are a file of their own.
        place = path.with_name("a_images.fits") if layout == "cosmos-fits" else path
        one_sentence(caught.value, f"cannot write '{place}': File too large", "nothing was changed")
        assert contents(path.parent) == before
    assert len(read(path)) == 4


@pytest.mark.parametrize("layout", FORMATS)
def test_no_place_to_write(
    tmp_path: Path,
    sample: Sample,
    one_sentence: Sentence,
    monkeypatch: pytest.MonkeyPatch,
    layout: str,
) -> None:
    ending, events = FORMATS[layout].extensions[0], sample(layout)
    (tmp_path / f"folder{ending}").mkdir()
    (tmp_path / "file").write_text("no folder")
    for target, words in (
        (tmp_path / f"folder{ending}", "it is a folder; name a file in it"),
        (tmp_path / "file" / f"a{ending}", "choose another"),
    ):
        for append in (False, True):
            with pytest.raises(OutputError) as caught:
                write(target, events, format=layout, append=append)
            one_sentence(caught.value, f"cannot write '{target}': ", words)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(OutputError) as caught:
        write(tmp_path / f"a{ending}", events, format=layout)
    one_sentence(caught.value, "the folder is read-only; choose another folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", f"folder{ending}"]
