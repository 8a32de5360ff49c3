"""Chunks on the workers of Dask."""

import sys

import awkward as ak
import numpy as np
import pytest

from phys_gan.errors import ConfigError
from phys_gan.generation.plugins import (
    FastDetector,
    add_up,
    map_particles,
    simulate_hits,
    simulate_particles,
    sum_energies,
)

CLOSE = {"rtol": 1e-4, "atol": 1e-3}


@pytest.fixture
def dask():
    return pytest.importorskip("dask")


def joined(dask, delayed, scheduler="synchronous"):
    results = dask.compute(*delayed, scheduler=scheduler)
    return np.concatenate([result.cells for result in results])


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
@pytest.mark.parametrize("firsts", [None, [0, 11, 11]])
def test_chunks_are_what_one_array_is(dask, detector, events, scheduler, firsts):
    whole = simulate_particles(events, detector, seed=3).cells
    chunks = [events[:11], dask.delayed(events[11:11]), dask.delayed(events[11:])]
    delayed = map_particles(chunks, detector, seed=3, firsts=firsts)
    np.testing.assert_allclose(joined(dask, delayed, scheduler), whole, **CLOSE)


def test_bags(dask, detector, events):
    bag = pytest.importorskip("dask.bag").from_sequence(events.to_list(), npartitions=3)
    whole = simulate_particles(events, detector, seed=3).cells
    np.testing.assert_allclose(joined(dask, map_particles(bag, detector, seed=3)), whole, **CLOSE)


def test_sums_are_made_where_the_chunks_are(dask, detector, events):
    delayed = map_particles([events[:5], events[5:]], detector, sum_energies, seed=3)
    sums = dask.delayed(add_up)(delayed).compute(scheduler="synchronous")
    whole = sum_energies(events, simulate_particles(events, detector, seed=3), detector)
    assert sums["covered"] == whole["covered"]
    np.testing.assert_allclose(sums["energy"], whole["energy"], rtol=1e-4)


def test_hits(dask, detector, events):
    (delayed,) = map_particles([events], detector, simulate=simulate_hits, seed=3)
    hits = delayed.compute(scheduler="synchronous").hits
    assert hits.cell.to_list() == simulate_hits(events, detector, seed=3).hits.cell.to_list()


def test_a_cluster(dask):
    distributed = pytest.importorskip("distributed")
    detector = FastDetector.load(["calogan-photon"])
    photons = ak.Array(
        [[{"pdg": 22, "energy": 1e3 * e, "eta": 20.0, "phi": 0.0}] for e in range(2, 8)]
    )
    whole = simulate_particles(photons, detector, seed=3).cells
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False}
    with (
        distributed.LocalCluster(**options, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        delayed = map_particles([photons[:2], photons[2:]], detector, seed=3)
        parts = client.gather(client.compute(delayed))
    cells = np.concatenate([part.cells for part in parts])
    np.testing.assert_allclose(cells, whole, **CLOSE)


def test_not_one_number_per_chunk(dask, detector, events):
    with pytest.raises(ConfigError, match="there are 1 chunks, but 2 numbers of first events"):
        map_particles([events], detector, firsts=[0, 1])
    assert map_particles([], detector) == []


def test_without_dask(detector, events, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.delayed", None)
    with pytest.raises(ConfigError, match="pip install 'phys_gan\\[cluster\\]'"):
        map_particles([events], detector)
