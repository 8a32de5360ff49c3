"""Chunks as coffea hands them out, and sums that add up."""

import pickle
from itertools import pairwise

import awkward as ak
import numpy as np
import pytest

from phys_gan.errors import ConfigError, DataError, MissingError
from phys_gan.generation.plugins import (
    ParticleProcessor,
    add_up,
    file_seed,
    simulate_particles,
    sum_energies,
)


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
