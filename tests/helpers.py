"""What tests of several rooms share: ``from helpers import complain``."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from phys_gan.data import inspect, read
from phys_gan.detectors import load_detector
from phys_gan.errors import PhysGanError
from phys_gan.events import Events
from phys_gan.observables import map_blocks
from phys_gan.validation.averages import Profiles, ProfileSums

SAMPLE = Path(__file__).resolve().parents[1] / "datasets" / "geant4_calogan_eplus.h5"
SMALL_SHOWERS = (
    "network.latent=8",
    "network.width=32",
    "network.depth=1",
    "network.d_width=32",
    "network.d_depth=1",
    "training.batch_size=64",
    "training.events=1280",
    "training.report_every=320",
)
"""Overrides of the recipe ``showers``: small networks, 20 batches, four reports."""


needs_geant4 = pytest.mark.skipif(
    # Importing it here would ask for a download.
    find_spec("geant4_pybind") is None,
    reason="geant4-pybind is not installed: pip install 'phys_gan[geant4]'",
)


def make_profiles(events: Events, threads: int | None = None) -> Profiles:
    """Return the average shower."""
    total = ProfileSums(events.detector)
    for _, sums in map_blocks(events, lambda s: ProfileSums(s.detector).add(s), threads):
        total.merge(sums)
    return total.profiles()


@cache
def geant4(path: Path = SAMPLE) -> Events:
    """Return showers of CaloGAN's cells [MeV] with their energies, without anything else."""
    with h5py.File(path) as file:
        n = len(file["energy"])
        return Events(
            np.concatenate([file[f"layer_{k}"][:].reshape(n, -1) for k in range(3)], axis=1),
            {"energy": file["energy"][:, 0] * 1000.0},
            load_detector("calogan"),
        )


def assert_same(one: Events, two: Events, rtol: float = 1e-12) -> None:
    """Cells and overflow to the last bit, conditions to ``rtol``, and everything else."""
    np.testing.assert_array_equal(one.cells.view(np.uint32), two.cells.view(np.uint32))
    assert set(one.conditions) == set(two.conditions)
    for name, values in one.conditions.items():
        np.testing.assert_allclose(two.conditions[name], values, rtol=rtol, atol=0)
    assert (one.overflow is None) == (two.overflow is None)
    if one.overflow is not None and two.overflow is not None:
        np.testing.assert_array_equal(one.overflow.view(np.uint32), two.overflow.view(np.uint32))
    assert (one.weights is None) == (two.weights is None)
    if one.weights is not None and two.weights is not None:
        np.testing.assert_array_equal(one.weights.view(np.uint64), two.weights.view(np.uint64))
    assert two.detector == one.detector
    assert dict(two.provenance) == dict(one.provenance)


def complain(path: Path | str, kind: type[PhysGanError], **options: Any) -> str:
    """Return what reading and inspecting complain about: the same, in one line."""
    messages = set()
    for function in (read, inspect):
        with pytest.raises(kind) as caught:
            function(path, **options)
        messages.add(str(caught.value))
    (message,) = messages
    assert "\n" not in message
    return message


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let the operating system refuse to make any file larger than ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def lines(out: Path) -> list[dict[str, Any]]:
    """Return what a run reported."""
    return [json.loads(line) for line in (out / "stats.jsonl").read_text().splitlines()]


def wrong(result: tuple[int, str, str], *words: str) -> None:
    """Require of a command's exit code, output and errors: one sentence on stderr, and code 2."""
    code, _, err = result
    assert code == 2
    assert "Traceback" not in err
    assert err.startswith("phys-gan: ")
    assert len(err.strip().splitlines()) == 1
    for word in words:
        assert word in err
