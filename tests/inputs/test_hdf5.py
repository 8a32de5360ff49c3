"""HDF5 files as other programs leave them: odd chunks, virtual data sets, writers at work."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import phys_gan as pg
from helpers import wrong
from phys_gan.data import stream
from phys_gan.data.containers.hdf5_chunks import Ahead
from phys_gan.data.formats.galaxies import image_detector
from phys_gan.errors import DataError, Notice

Run = Callable[..., tuple[int, str, str]]

N = 40


def rng() -> np.random.Generator:
    return np.random.default_rng(8)


def cells(n: int, width: int) -> np.ndarray:
    return rng().exponential(10, (n, width)).astype(np.float32)


# Chunks of a few columns of many events.


def calochallenge(file: h5py.File, n: int, chunk: tuple[int, ...]) -> None:
    showers = cells(n, 504)
    file["incident_energies"] = showers.sum(axis=1, keepdims=True)
    file.create_dataset("showers", data=showers, chunks=chunk, compression="gzip")


def calogan(file: h5py.File, n: int, chunk: tuple[int, ...]) -> None:
    showers = cells(n, 504)
    file["energy"] = showers.sum(axis=1, keepdims=True) / 1000
    for k, (start, shape) in enumerate([(0, (3, 96)), (288, (12, 12)), (432, (12, 6))]):
        layer = showers[:, start : start + shape[0] * shape[1]].reshape(-1, *shape)
        file.create_dataset(f"layer_{k}", data=layer, chunks=chunk, compression="lzf")


def par04(file: h5py.File, n: int, chunk: tuple[int, ...]) -> None:
    showers = cells(n, 6480).reshape(-1, 9, 16, 45)
    # As many MeV as the detector is expected to see.
    file["incident_energy"] = showers.sum(axis=(1, 2, 3)) / 0.035
    file.create_dataset("showers", data=showers, chunks=chunk, compression="gzip")


def galaxy10(file: h5py.File, n: int, chunk: tuple[int, ...]) -> None:
    file["ans"] = rng().integers(0, 10, n)
    images = rng().integers(0, 256, (n, 69, 69, 3)).astype(np.uint8)
    file.create_dataset("images", data=images, chunks=chunk, compression="gzip")


def own(file: h5py.File, n: int, chunk: tuple[int, ...]) -> None:
    events = pg.Events(
        cells(n, 1280),
        {"mass": rng().random(n)},
        image_detector("mine", "grizy", (16, 16), 0.2, "count"),
    )
    path = Path(file.filename).with_name("own.h5")
    pg.write(path, events, format="galaxiesml-hdf5")
    with h5py.File(path) as source:
        file.attrs.update(source.attrs)
        source.copy("mass", file)
        file.create_dataset("image", data=source["image"], chunks=chunk, compression="gzip")


LAYOUTS: dict[str, tuple[Callable[..., None], tuple[int, ...], str]] = {
    "calochallenge": (calochallenge, (8,), "'showers' ({n} x 8)"),
    "calogan": (calogan, (1, 6), "'layer_0' ({n} x 1 x 6)"),
    "par04": (par04, (3, 1, 45), "'showers' ({n} x 3 x 1 x 45)"),
    "galaxy10": (galaxy10, (3, 69, 1), "'images' ({n} x 3 x 69 x 1)"),
    "own": (own, (1, 4, 16), "'image' ({n} x 1 x 4 x 16)"),
}


@pytest.fixture
def anything_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small files be worth a word, and be read in many blocks."""
    monkeypatch.setattr("phys_gan.data.streaming._MUCH", 1)
    monkeypatch.setattr("phys_gan.data.streaming.CHUNK_BYTES", 10 * 504 * 4)
    monkeypatch.setattr("phys_gan.data.format._BLOCK_CELLS", 7 * 504)


@pytest.mark.usefixtures("anything_counts")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_chunks_of_columns_are_named_before_the_first_batch(tmp_path: Path, layout: str) -> None:
    make, chunk, what = LAYOUTS[layout]
    path, n = tmp_path / "my file.h5", 2 * N
    with h5py.File(path, "w") as file:
        make(file, n, (n, *chunk))
    n_cells = pg.read(path).detector.n_cells
    # A piece of 2 events, of 80 in the chunk.
    with pytest.warns(Notice) as said:
        batches = stream(path, 8, epochs=1, seed=1, memory=2 * 4 * n_cells * 32)
    (notice,) = (str(one.message) for one in said)
    assert f"each chunk of {what.format(n=n)} is decompressed 40 times: " in notice
    assert str(path) in notice
    # What is advised helps: all events come, and without a word.
    command = re.search(r"\(phys-gan (.*)\)", notice)
    assert command
    verb, source, out = shlex.split(command[1])
    assert verb == "convert"
    pg.convert(source, tmp_path / out)
    again = stream(tmp_path / out, 8, epochs=1, seed=1, memory=2 * 4 * n_cells * 2 * n)
    for found in (batches, again):
        sums = np.concatenate([batch.total_energy() for batch in found])
        np.testing.assert_array_equal(np.sort(sums), np.sort(pg.read(path).total_energy()))


@pytest.mark.usefixtures("anything_counts")
def test_chunks_of_rows_are_not_worth_a_word(tmp_path: Path) -> None:
    for name, chunk in (("rows", (5, 504)), ("both", (5, 100)), ("one", (1, 504))):
        path = tmp_path / f"{name}.h5"
        with h5py.File(path, "w") as file:
            calochallenge(file, N, chunk)
        assert len(list(stream(path, 8, epochs=1, memory=2 * 4 * 504 * 16))) == N // 8
        assert not pg.inspect(path).warnings
    # Nor are those of columns where the memory holds them.
    with h5py.File(tmp_path / "columns.h5", "w") as file:
        calochallenge(file, N, (N, 8))
    assert len(list(stream(tmp_path / "columns.h5", 8, epochs=1))) == N // 8
    assert not pg.inspect(tmp_path / "columns.h5").warnings


@pytest.mark.usefixtures("anything_counts")
def test_inspect_and_train_say_so(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, n = tmp_path / "columns.h5", 1500
    with h5py.File(path, "w") as file:
        calochallenge(file, n, (n, 63))
    monkeypatch.setattr("phys_gan.data.streaming._MEMORY", 2 * 4 * 504 * 160)
    code, out, _ = run("inspect", path)
    assert code == 0
    (warning,) = [line for line in out.splitlines() if line.startswith("warning")]
    assert "each chunk of 'showers' (1500 x 63) is decompressed 150 times: rewrite the" in warning
    small = ("network.latent=4", "network.width=8", "network.depth=1", "network.d_width=8")
    more = ("training.batch_size=64", "training.events=128", "training.report_every=128")
    options = [word for one in (*small, *more) for word in ("--set", one)]
    data = ["--data", path, "--memory", "3MB", "--out", tmp_path / "run"]
    code, _, err = run("train", "showers", *data, *options)
    assert code == 0
    said = [line for line in err.splitlines() if "decompressed" in line]
    assert len(said) == 1
    assert said[0].startswith(f"phys-gan: '{path}': streamed in ")


@pytest.mark.usefixtures("anything_counts")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_who_reads_in_order_has_each_chunk_decompressed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    make, chunk, _ = LAYOUTS[layout]
    path, n = tmp_path / "a.h5", 2 * N
    with h5py.File(path, "w") as file:
        make(file, n, (n // 2 + 1, *chunk))
    whole, fetched = pg.read(path), list[tuple[str, int, int]]()
    monkeypatch.setattr("phys_gan.data.format._BLOCK_CELLS", 7 * whole.detector.n_cells)
    fetch = Ahead._fetch

    def note(self: Ahead, chunks: Any, data_set: Any, start: int, stop: int) -> Any:
        rows = fetch(self, chunks, data_set, start, stop)
        first, kept = self._kept.get(chunks.name, (start, rows))
        fetched.append((chunks.name, first, first + len(kept)))
        return rows

    monkeypatch.setattr(Ahead, "_fetch", note)
    blocks = list(pg.data.blocks(path))
    assert [len(block) for block in blocks] == [*(n // 7 * [7]), n % 7]
    np.testing.assert_array_equal(np.concatenate([b.cells for b in blocks]), whole.cells)
    names = {name for name, _, _ in fetched}
    assert fetched
    for name in names:
        assert [(a, b) for other, a, b in fetched if other == name] == [(0, 41), (41, 80)]


# Views of other data sets.


def view(parts: dict[str, tuple[int, int]], length: int = N) -> h5py.VirtualLayout:
    """Return a view of data sets of the same file, by the rows that each of them gives."""
    layout = h5py.VirtualLayout((length, 504), np.float32)
    for name, (start, stop) in parts.items():
        layout[start:stop] = h5py.VirtualSource(".", name, (stop - start, 504))
    return layout


def virtual(path: Path, parts: dict[str, tuple[int, int]], **made: Any) -> np.ndarray:
    """Write a file whose showers are a view of some of its data sets."""
    showers = cells(N, 504)
    with h5py.File(path, "w") as file:
        file["incident_energies"] = showers.sum(axis=1, keepdims=True)
        for name, (start, stop) in parts.items():
            file.create_dataset(name, data=showers[start:stop], **made)
        file.create_virtual_dataset("showers", view(parts))
    return showers


HALVES = {"parts/0": (0, 15), "parts/1": (15, N)}


@pytest.mark.parametrize("made", [{}, {"chunks": (10, 8), "compression": "gzip"}])
def test_a_view_of_data_sets_of_the_same_file_is_read(
    tmp_path: Path, run: Run, made: dict[str, Any]
) -> None:
    path = tmp_path / "a.h5"
    showers = virtual(path, HALVES, **made)
    np.testing.assert_array_equal(pg.read(path).cells, showers)
    assert run("inspect", path)[0] == 0
    assert run("convert", path, tmp_path / "b.h5")[0] == 0
    np.testing.assert_array_equal(pg.read(tmp_path / "b.h5").cells, showers)
    # By its own name it means the same, which h5py writes as '.'.
    with h5py.File(path, "r+") as file:
        del file["showers"]
        layout = h5py.VirtualLayout((N, 504), np.float32)
        for name, (start, stop) in HALVES.items():
            layout[start:stop] = h5py.VirtualSource(file[name])
        file.create_virtual_dataset("showers", layout)
    np.testing.assert_array_equal(pg.read(path).cells, showers)


def elsewhere(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((N, 504), np.float32)
    layout[:] = h5py.VirtualSource("other file.h5", "showers", (N, 504))
    file.create_virtual_dataset("showers", layout)


def half_elsewhere(file: h5py.File) -> None:
    layout = view({"parts/0": (0, 15)})
    layout[15:] = h5py.VirtualSource("other file.h5", "showers", (N - 15, 504))
    file.create_virtual_dataset("showers", layout)


def itself(file: h5py.File) -> None:
    file.create_virtual_dataset("showers", view({"/showers": (0, N)}))


def in_a_circle(file: h5py.File) -> None:
    file.create_virtual_dataset("showers", view({"others": (0, N)}))
    file.create_virtual_dataset("others", view({"showers": (0, N)}))


def external_behind_it(file: h5py.File) -> None:
    file.create_dataset("raw", (N, 504), "f4", external=[("raw.bin", 0, N * 504 * 4)])
    file.create_virtual_dataset("showers", view({"raw": (0, N)}))


VIEWS: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "elsewhere": (elsewhere, "from other files ('other file.h5'); copy them into one file: h5re"),
    "half elsewhere": (half_elsewhere, "takes its numbers from other files ('other file.h5');"),
    "nothing there": (
        lambda file: file.create_virtual_dataset("showers", view({"none": (0, N)})),
        "takes its numbers from 'none', which is not a data set of the file; make the file again",
    ),
    "a gap": (
        lambda file: file.create_virtual_dataset("showers", view({"parts/0": (0, 15)})),
        "'showers' shows nothing in a part of its cells; make the file again from all of",
    ),
    "itself": (itself, "takes its numbers from itself; make the file again"),
    "circle": (in_a_circle, "from 'others', which takes them from elsewhere; copy them into one"),
    "external": (external_behind_it, "'raw' takes its numbers from other files ('raw.bin'); copy"),
}


@pytest.mark.parametrize("case", VIEWS)
def test_what_a_view_may_not_show(tmp_path: Path, run: Run, case: str) -> None:
    path = tmp_path / "a.h5"
    virtual(path, HALVES)
    make, words = VIEWS[case]
    with h5py.File(path, "r+") as file:
        del file["showers"]
        make(file)
    for command in (("inspect", path), ("convert", path, tmp_path / "b.h5")):
        wrong(run(*command), f"'{path}': ", words)
    assert not (tmp_path / "b.h5").exists()


def test_a_file_is_joined_only_with_its_own_numbers(tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["numbers"] = np.arange(5.0)
    events = pg.read(Path(__file__).parents[2] / "datasets" / "geant4_calogan_eplus.h5")[:5]
    pg.write(tmp_path / "a.h5", events)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        layout = h5py.VirtualLayout((5,), np.float64)
        layout[:] = h5py.VirtualSource(str(secret), "numbers", (5,))
        file.create_virtual_dataset("more", layout)
    with pytest.raises(DataError, match="'more' takes its numbers from other files"):
        pg.data.join([tmp_path / "a.h5"], tmp_path / "b.h5")
    assert not (tmp_path / "b.h5").exists()


# Files that their writers have open, or had when they died.

WRITER = """
import os, sys, h5py, numpy as np
path, version, swmr, how = sys.argv[1:]
version, _, before = version.partition(" behind ")
version = None if version == "earliest" else (version, version)
file = h5py.File(path, "w", libver=version, userblock_size=int(before or 0))
for name, width in (("incident_energies", 1), ("showers", 504)):
    values = np.full((40, width), 10.0 if width > 1 else 5040.0)
    file.create_dataset(name, data=values, maxshape=(None, width), chunks=(10, width))
if swmr == "yes":
    file.swmr_mode = True
if how != "unflushed":
    file.flush()
print("written", flush=True)
if how == "waits":
    sys.stdin.read()
os._exit(9)
"""


@contextmanager
def writer(path: Path, version: str, swmr: str, how: str) -> Iterator[None]:
    """Run a program that writes a file, and has it open as long as it lives."""
    command = [sys.executable, "-c", WRITER, str(path), version, swmr, how]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "written\n"
        if how != "waits":
            process.wait()
        yield
        process.kill()


MARKED = "the file is marked as open for writing, which it stays when its writer dies; wait"


@pytest.mark.parametrize(
    ("version", "swmr", "how", "words"),
    [
        ("v110", "yes", "dies", MARKED),
        ("v110", "no", "dies", MARKED),
        ("v110", "no", "unflushed", MARKED),
        ("v110 behind 1024", "no", "dies", MARKED),
        ("v110", "yes", "waits", MARKED),
        ("v110", "no", "waits", "another program has the file open for writing; wait until that"),
        ("earliest", "no", "waits", "another program has the file open for writing; wait"),
        ("earliest", "no", "unflushed", "has not closed it, and a part is missing; wait until"),
    ],
)
def test_files_of_writers(
    tmp_path: Path, run: Run, version: str, swmr: str, how: str, words: str
) -> None:
    path = tmp_path / "my file.h5"
    with writer(path, version, swmr, how):
        for command in (("inspect", path), ("convert", path, tmp_path / "b.h5")):
            said = run(*command)
            wrong(said, f"'{path}': ", words)
    if words == MARKED:
        assert said[2].strip().endswith(f"h5clear -s '{path}'")
    assert not (tmp_path / "b.h5").exists()


def test_a_file_that_was_closed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest", userblock_size=512) as file:
        calochallenge(file, N, (5, 504))
    assert len(pg.read(path)) == N


def test_a_filter_that_is_not_installed(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["incident_energies"] = np.ones((N, 1))
        showers = file.create_dataset(
            "showers",
            (N, 504),
            "f4",
            chunks=(N, 504),
            compression=32001,
            allow_unknown_filter=True,
        )
        showers.id.write_direct_chunk((0, 0), b"packed by another program")
    wrong(run("inspect", path), "'showers' is compressed with the filter of number 32001, which")
    # Where the filter was left out, as the writer may, there is nothing to miss.
    with h5py.File(path, "r+") as file:
        values = cells(N, 504)
        file["incident_energies"][:] = values.sum(axis=1, keepdims=True)
        file["showers"].id.write_direct_chunk((0, 0), values.tobytes(), filter_mask=1)
    np.testing.assert_array_equal(pg.read(path).cells, values)


def test_reading_is_silent(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        calochallenge(file, N, (N, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pg.read(tmp_path / "a.h5")
