"""Files that are damaged, hostile or no files of events, and files that cannot be written."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import full_disk
from phys_gan.data import FORMATS, convert, inspect, read, write
from phys_gan.detectors import load_detector
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


# What lies between the first bytes and the last ones of a FITS file decides what is lacking.
@pytest.mark.parametrize("layout", [n for n in FORMATS if n != "cosmos-fits"])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.95])
def test_cut_short(copied: Copied, layout: str, share: float) -> None:
    path, container = copied(layout), FORMATS[layout].container
    content = path.read_bytes()
    path.write_bytes(content[: max(9, int(share * len(content)))])
    with pytest.raises(DataError, match=f"the {container} file is damaged or cut short"):
        read(path)


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


# Files that want more than to be read: other files opened, memory filled.


def replaced(path: Path, name: str, make: Callable[[h5py.File], Any]) -> None:
    with h5py.File(path, "r+") as file:
        del file[name]
        make(file)


def secret(path: Path) -> Path:
    place = path.parent / "secret.h5"
    with h5py.File(place, "w") as file:
        file["numbers"] = np.arange(4.0)
    return place


def external(path: Path) -> None:
    link = h5py.ExternalLink(str(secret(path)), "/numbers")
    replaced(path, "incident_energies", lambda file: file.update({"incident_energies": link}))


def external_by_a_detour(path: Path) -> None:
    def make(file: h5py.File) -> None:
        file["elsewhere"] = h5py.ExternalLink(str(secret(path)), "/")
        file["incident_energies"] = h5py.SoftLink("/elsewhere/numbers")

    replaced(path, "incident_energies", make)


def external_storage(path: Path) -> None:
    place = path.parent / "secret.bin"
    place.write_bytes(np.arange(4.0).tobytes())
    replaced(
        path,
        "incident_energies",
        lambda file: file.create_dataset(
            "incident_energies", (4,), "f8", external=[(str(place), 0, 32)]
        ),
    )


def virtual(path: Path) -> None:
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource(str(secret(path)), "numbers", (4,))
    replaced(
        path,
        "incident_energies",
        lambda file: file.create_virtual_dataset("incident_energies", layout),
    )


def declared(shape: tuple[int, ...], **how: Any) -> Callable[[Path], None]:
    return lambda path: replaced(
        path,
        "incident_energies",
        lambda file: file.create_dataset("incident_energies", shape, "f8", **how),
    )


def texts(path: Path) -> None:
    replaced(
        path,
        "incident_energies",
        lambda file: file.create_dataset(
            "incident_energies", (4,), h5py.string_dtype(), data=["a", "b", "c", "d"]
        ),
    )


def opaque(path: Path) -> None:
    values = np.zeros(4, h5py.opaque_dtype(np.dtype("V8")))
    replaced(path, "incident_energies", lambda file: file.update({"incident_energies": values}))


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "external link": (external, "'incident_energies' is a link into another file"),
    "detour": (external_by_a_detour, "'elsewhere' is a link into another file"),
    "external storage": (external_storage, "takes its numbers from other files"),
    "virtual": (virtual, "takes its numbers from other files"),
    "petabytes": (declared((10**15,), chunks=(1024,)), "declares 8e+15 bytes in a file of"),
    "gigabytes": (
        declared((10**9,), chunks=(1024,), compression="gzip"),
        "declares 8e+09 bytes in a file of",
    ),
    "texts": (texts, "does not hold numbers"),
    "opaque": (opaque, "does not hold numbers"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile(copied: Copied, wrong: Wrong, case: str) -> None:
    path = copied("calochallenge-hdf5")
    make, words = HOSTILE[case]
    make(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wrong(path, words)
    # In kB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_links_within_a_file_are_followed(copied: Copied) -> None:
    path = copied("calochallenge-hdf5")
    with h5py.File(path, "r+") as file:
        file.move("incident_energies", "moved")
        file["incident_energies"] = h5py.SoftLink("/moved")
    assert len(read(path)) == 4


def test_texts_of_a_file_do_not_steer_a_terminal(tmp_path: Path) -> None:
    cells, energy = np.ones((2, 504), np.float32), np.array([1e3, 2e3])
    said = {"comment": "\x1b[2J\x07gone\nnext"}
    events = Events(cells, {"energy": energy}, load_detector("calogan"), provenance=said)
    write(tmp_path / "a.h5", events)
    lines = str(inspect(tmp_path / "a.h5"))
    assert "comment: \N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}gone\nnext" in lines


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
