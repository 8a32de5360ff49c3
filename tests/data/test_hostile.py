"""Files that want more than to be read: other files opened, memory filled."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import phys_gan as pg
from phys_gan.errors import PhysGanError

Copied = Callable[[str], Path]
Wrong = Callable[..., PhysGanError]


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
    from phys_gan.data import read

    path = copied("calochallenge-hdf5")
    with h5py.File(path, "r+") as file:
        file.move("incident_energies", "moved")
        file["incident_energies"] = h5py.SoftLink("/moved")
    assert len(read(path)) == 4


def test_texts_of_a_file_do_not_steer_a_terminal(tmp_path: Path) -> None:
    cells, energy = np.ones((2, 504), np.float32), np.array([1e3, 2e3])
    said = {"comment": "\x1b[2J\x07gone\nnext"}
    events = pg.Events(cells, {"energy": energy}, pg.load_detector("calogan"), provenance=said)
    pg.write(tmp_path / "a.h5", events)
    lines = str(pg.inspect(tmp_path / "a.h5"))
    assert "comment: \N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}gone\nnext" in lines
