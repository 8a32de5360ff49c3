"""Showers of all particles of many events."""

from itertools import pairwise

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phys_gan.errors import DataError, MissingError, RangeError
from phys_gan.generation.plugins import (
    MOST_PARTICLES,
    simulate_hits,
    simulate_particles,
)

CLOSE = {"rtol": 1e-4, "atol": 1e-3}


def one(**changes):
    return {"pdg": -11, "energy": 1e4, "theta": 0.0, "phi": 0.0} | changes


def test_the_particles_of_event_0_are_the_first_showers_of_the_model(detector, positron):
    energy = np.geomspace(1.2e3, 9e4, 7)
    expected = positron.generate({"energy": energy}, seed=5).cells
    together = simulate_particles(ak.Array([[one(energy=e) for e in energy]]), detector, seed=5)
    np.testing.assert_allclose(together.cells, expected.sum(axis=0)[None], **CLOSE)
    hits = simulate_hits(ak.Array([[one(energy=e) for e in energy]]), detector, seed=5).hits
    cells = np.zeros_like(expected)
    cells[hits.particle[0].to_numpy(), hits.cell[0].to_numpy()] = hits.energy[0].to_numpy()
    np.testing.assert_allclose(cells, expected, **CLOSE)


def test_every_covered_particle_and_no_other_is_in_the_cells(detector, events):
    simulated = simulate_particles(events, detector, seed=2)
    inside = (events.energy > 100) & (events.theta == 0)
    wanted = inside & ((events.pdg == -11) | (events.pdg == 22))
    assert simulated.covered.to_list() == wanted.to_list()
    assert 0 < ak.sum(wanted) < ak.count(wanted)
    some = ak.any(wanted, axis=1).to_numpy()
    np.testing.assert_array_equal(simulated.cells.any(axis=1), some)
    assert simulated.cells.dtype == np.float32
    energy = ak.sum(events.energy[wanted], axis=1).to_numpy()
    # The networks are untrained; it is their encoding that knows the response.
    assert simulated.cells.sum() == pytest.approx(energy.sum(), rel=0.3)


def test_hits_are_the_same_showers(detector, events):
    simulated = simulate_hits(events, detector, seed=2)
    cells = np.zeros((len(events), detector.detector.n_cells))
    event = np.repeat(np.arange(len(events)), ak.num(simulated.hits))
    flat = ak.flatten(simulated.hits)
    np.add.at(cells, (event, flat.cell.to_numpy()), flat.energy.to_numpy())
    together = simulate_particles(events, detector, seed=2)
    np.testing.assert_allclose(cells, together.cells, **CLOSE)
    assert simulated.covered.to_list() == together.covered.to_list()

    places = np.stack([flat[name].to_numpy() for name in "xyz"], axis=1)
    np.testing.assert_allclose(places, detector.detector.points[flat.cell.to_numpy()])
    assert (flat.energy.to_numpy() > 0).all()
    for hits, covered in zip(simulated.hits, simulated.covered, strict=True):
        assert set(hits.particle.to_list()) == set(np.flatnonzero(covered))
        order = hits.particle.to_numpy() * 1000 + hits.cell.to_numpy()
        assert (np.diff(order) > 0).all()


@settings(max_examples=15)
@given(
    st.lists(st.integers(0, 40), max_size=4).map(sorted),
    st.sampled_from([0, 123_456]),
    st.sampled_from([1, 7, None]),
)
def test_chunks_and_batches_change_nothing(detector, events, cuts, first, batch_size):
    whole = simulate_particles(events, detector, seed=3, numbers=first)
    edges = [0, *cuts, len(events)]
    parts = [
        simulate_particles(
            events[a:b], detector, seed=3, numbers=first + a, batch_size=batch_size
        ).cells
        for a, b in pairwise(edges)
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole.cells, **CLOSE)


@pytest.mark.parametrize("numbers", [1, 500])
def test_blocks_change_nothing(detector, events, monkeypatch, numbers):
    from phys_gan.generation.plugins import showers

    whole = simulate_particles(events, detector, seed=3).cells
    monkeypatch.setattr(showers, "_BLOCK_NUMBERS", numbers)
    blocks = simulate_particles(events, detector, seed=3).cells
    np.testing.assert_allclose(blocks, whole, **CLOSE)


def test_events_in_any_order(detector, events):
    whole = simulate_particles(events, detector, seed=3).cells
    chosen = np.random.default_rng(1).permutation(len(events))[:20]
    some = simulate_particles(events[chosen], detector, seed=3, numbers=chosen).cells
    np.testing.assert_allclose(some, whole[chosen], **CLOSE)


def test_other_numbers_and_seeds_are_other_showers(detector):
    particles = ak.Array([[one()]])
    cells = [
        simulate_particles(particles, detector, seed=seed, numbers=number).cells
        for seed, number in ((1, 0), (1, 1), (2, 0))
    ]
    assert len(np.unique(cells, axis=0)) == 3


def test_particles_that_are_left_out_change_no_other(detector):
    particles = ak.Array([[one(), one(pdg=22), one(energy=2e4)], [one()]])
    whole = simulate_hits(particles, detector, seed=4)
    masked = simulate_hits(ak.mask(particles, particles.pdg == -11), detector, seed=4)
    assert masked.covered.to_list() == [[True, None, True], [True]]
    kept = whole.hits[whole.hits.particle != 1]
    assert ak.num(masked.hits).to_list() == ak.num(kept).to_list()
    np.testing.assert_allclose(ak.flatten(masked.hits.energy), ak.flatten(kept.energy), **CLOSE)


def test_models_of_different_width_share_no_noise(detector, monkeypatch):
    from phys_gan.generation.plugins import showers

    drawn = []
    real = showers.noise_at
    monkeypatch.setattr(showers, "noise_at", lambda *a: drawn.append(real(*a)) or drawn[-1])
    kinds = [one(pdg=pdg) for pdg in (-11, 22) * 20]
    simulate_particles(ak.Array([kinds]), detector, seed=1)
    numbers = np.concatenate([noise.ravel() for noise in drawn])
    assert len(np.unique(numbers)) == len(numbers) == 40 * detector.latent


@pytest.mark.parametrize("array", [[], [[], []], [None, []], [[one(pdg=2212)], [], None]])
def test_nothing_to_simulate(detector, array):
    simulated = simulate_particles(ak.Array(array), detector)
    assert simulated.cells.shape == (len(array), detector.detector.n_cells)
    assert not simulated.cells.any()
    nothing = [None if event is None else [False] * len(event) for event in array]
    assert simulated.covered.to_list() == nothing
    hits = simulate_hits(ak.Array(array), detector).hits
    assert hits.to_list() == [[] for _ in array]
    assert hits.fields == ["cell", "energy", "particle", "x", "y", "z"]


def test_what_is_left_goes_elsewhere(detector, events):
    covered = simulate_particles(events, detector).covered
    left = events[~covered]
    assert ak.num(left).to_list() == (ak.num(events) - ak.sum(covered, axis=1)).to_list()
    masked = ak.mask(events, np.arange(len(events)) % 2 == 0)
    covered = simulate_particles(masked, detector).covered
    assert ak.num(masked[~covered])[:2].to_list() == [ak.num(left)[0], None]


def test_errors(detector):
    particles = ak.Array([[one()], [one()]])
    with pytest.raises(MissingError, match="they have energy"):
        simulate_particles(particles[["energy"]], detector)
    with pytest.raises(DataError, match=r"shape \(3,\) and type int64, but there are 2 events"):
        simulate_particles(particles, detector, numbers=[1, 2, 3])
    with pytest.raises(DataError, match="type float64"):
        simulate_particles(particles, detector, numbers=0.5)
    for numbers in (-1, [3, -1], 2**46, np.uint64(2**63), np.array([0, 2**63], np.uint64)):
        with pytest.raises(RangeError, match=r"there is an event number .* go from 0 to 201"):
            simulate_particles(particles, detector, numbers=numbers)
    many = ak.unflatten(ak.zip({name: [value] * 65_537 for name, value in one().items()}), [65_537])
    with pytest.raises(RangeError, match="an event has 65537 particles, but at most 65536"):
        simulate_particles(many, detector)
    assert MOST_PARTICLES == 65_536


def test_numbers_of_no_events(detector):
    assert len(simulate_particles(ak.Array([[one()]])[:0], detector, numbers=[]).cells) == 0


def test_the_last_event_number(detector):
    steps = -(-detector.latent // 8)
    last = 2**63 // (MOST_PARTICLES * steps) - 1
    cells = simulate_particles(ak.Array([[one()]]), detector, numbers=last).cells
    assert cells.any()
    with pytest.raises(RangeError):
        simulate_particles(ak.Array([[one()]]), detector, numbers=last + 1)
