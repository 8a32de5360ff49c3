"""Chunks of events: on Dask workers, and as coffea runs them."""

import pickle
import sys
from itertools import pairwise

import awkward as ak
import numpy as np
import pytest

from phys_gan.errors import ConfigError, DataError, MissingError
from phys_gan.generation.plugins import (
    FastDetector,
    ParticleProcessor,
    add_up,
    file_seed,
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


def chunk(particles, start, **changes):
    about = {"dataset": "mixed", "fileuuid": "12ab", "entrystart": start} | changes
    return ak.Array(
        {"GenPart": particles, "weight": [1.0] * len(particles)}, attrs={"metadata": about}
    )


def run(processor, events, edges):
    """Run a processor over chunks and add up, as coffea does."""
    parts = [processor.process(chunk(events[a:b], a)) for a, b in pairwise(edges)]
    return processor.postprocess(add_up(parts))


@pytest.fixture
def processor(detector):
    return ParticleProcessor(detector, seed=7, unit="MeV")


def test_chunks_add_up_to_the_same_sums(processor, events):
    one, other = (run(processor, events, edges)["mixed"] for edges in ([0, 40], [0, 1, 17, 17, 40]))
    assert one["events"] == other["events"] == 40
    assert one["particles"] == other["particles"] == ak.count(events.pdg)
    assert 0 < one["covered"] == other["covered"] < one["particles"]
    for name in ("energy", "energy_squared"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-4)


def test_the_sums_are_those_of_the_cells(processor, detector, events):
    sums = run(processor, events, [0, 40])["mixed"]
    seed = file_seed(7, {"fileuuid": "12ab"})
    cells = simulate_particles(events, detector, seed=seed).cells.astype(np.float64)
    layers = cells.reshape(40, 3, 9).sum(axis=2)
    np.testing.assert_allclose(sums["energy"], layers.sum(axis=0))
    np.testing.assert_allclose(sums["energy_squared"], (layers**2).sum(axis=0))


def test_an_analysis_of_ones_own(detector, events):
    def weighed(events, simulated, detector):
        return {"sum": (events.weight.to_numpy()[:, None] * simulated.cells).sum(axis=0)}

    processor = ParticleProcessor(detector, lambda events: events.GenPart, weighed, unit="MeV")
    one, other = (run(processor, events, edges)["mixed"]["sum"] for edges in ([0, 40], [0, 9, 40]))
    assert one.shape == (detector.detector.n_cells,)
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-2)


def test_other_files_have_other_showers(processor, events):
    names = [{"fileuuid": "34cd"}, {"fileuuid": b"\x34"}, {"fileuuid": "", "filename": "a.root"}]
    energies = [
        processor.process(chunk(events, 0, **changes))["mixed"]["energy"][0]
        for changes in ({}, *names)
    ]
    assert len(set(energies)) == 4
    # The same file under another name of a data set holds the same events.
    again = processor.process(chunk(events, 0, dataset="again"))
    assert list(again) == ["again"]
    assert again["again"]["energy"][0] == energies[0]


def test_metadata_may_be_an_attribute(processor, events):
    class Events:
        fields = ("GenPart",)
        metadata = {"dataset": "d", "filename": "f", "entrystart": 3}  # noqa: RUF012

        def __len__(self):
            return len(events)

        def __getitem__(self, name):
            return events

    assert processor.process(Events())["d"]["events"] == 40


def test_it_travels(processor, events):
    sums = pickle.loads(pickle.dumps(processor)).process(chunk(events, 0))["mixed"]
    assert sums["covered"] == processor.process(chunk(events, 0))["mixed"]["covered"]


def test_what_is_missing(processor, detector, events):
    bare = ak.Array({"GenPart": events})
    with pytest.raises(MissingError, match="have no 'dataset'; they have nothing"):
        processor.process(bare)
    nameless = chunk(events, 0, fileuuid="")
    with pytest.raises(MissingError, match="name no file"):
        processor.process(nameless)
    with pytest.raises(MissingError, match="no field 'Muon'; they have GenPart, weight"):
        ParticleProcessor(detector, "Muon").process(chunk(events, 0))
    first = ParticleProcessor(detector, lambda events: events.GenPart[:1])
    with pytest.raises(DataError, match="particles of 1 events in a chunk of 40"):
        first.process(chunk(events, 0))
    with pytest.raises(ConfigError, match="no accumulators"):
        add_up([])


def test_sums_of_no_events(detector, events):
    simulated = simulate_particles(events[:0], detector)
    sums = sum_energies(events[:0], simulated, detector)
    assert sums["events"] == sums["particles"] == sums["covered"] == 0
    assert sums["energy"].tolist() == [0, 0, 0]
