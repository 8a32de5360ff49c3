"""The shower simulator: cascades, spots, read-out, and whole events against what must hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammainc
from scipy.stats import kstest

from phys_gan.detectors import CartesianLayer, Detector, PolarLayer, load_detector
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError, RangeError
from phys_gan.simulation import simulate
from phys_gan.simulation.parametrisation import (
    SpotModel,
    draw_profiles,
    effective_medium,
    longitudinal_model,
    radial_profile,
)
from phys_gan.simulation.showers import (
    Readout,
    Spots,
    draw_spots,
    pair_fraction,
    simulate_showers,
    start_cascades,
)

CALOGAN = load_detector("calogan")

DEEP = """
name = "deep"

[sampling]
absorber = { material = "Pb", thickness = 2.0 }
active = { material = "scintillator", thickness = 2.0 }
response = 0.9
stochastic_term = 0.12
constant_term = 0.01

[[layers]]
kind = "polar"
repeat = 40
z = [0.0, 20.0]
r = [0.0, 2.0, 5.0, 10.0, 20.0, 50.0, 1000.0]
n_alpha = 8
"""


def deep(**sampling: float) -> Detector:
    """Return a calorimeter of 80 cm that nothing leaves, with other numbers of its read-out."""
    detector = Detector.from_toml(DEEP)
    assert detector.sampling is not None
    return detector.model_copy(
        update={"sampling": detector.sampling.model_copy(update=dict(sampling))}
    )


def test_events_say_how_they_were_made() -> None:
    events = simulate(CALOGAN, 5, particle="gamma", energy=(2e3, 3e3), seed=7)
    assert len(events) == 5
    assert np.all((events.energy >= 2e3) & (events.energy < 3e3))
    assert events.overflow is not None
    assert events.overflow.shape == (5, 3)
    assert events.provenance["particle"] == "gamma"
    assert events.provenance["seed"] == "7"
    assert "hep-ex/0001020" in events.provenance["simulator"]
    assert events.provenance["version"]


def test_given_energies_are_kept_in_order() -> None:
    energies = np.array([5e4, 1e3, 2e4])
    assert simulate(CALOGAN, 3, energy=energies).energy.tolist() == energies.tolist()


def test_spectra() -> None:
    flat = simulate(CALOGAN, 2000, energy=(1e3, 5e3)).energy
    steep = simulate(CALOGAN, 2000, energy=(1e3, 5e3), spectrum="log-uniform").energy
    assert flat.mean() == pytest.approx(3e3, rel=0.03)
    assert np.log(steep / 1e3).mean() == pytest.approx(np.log(5) / 2, rel=0.05)


def test_the_seed_decides_everything() -> None:
    one, same, other = (simulate(CALOGAN, 150, energy=(1e3, 5e3), seed=s) for s in (1, 1, 2))
    assert np.array_equal(one.cells, same.cells)
    assert not np.array_equal(one.cells, other.cells)
    assert not np.array_equal(one.energy, other.energy)


def test_threads_change_nothing() -> None:
    one, three = (simulate(CALOGAN, 200, energy=(1e3, 5e3), threads=t) for t in (1, 3))
    assert np.array_equal(one.cells, three.cells)
    assert np.array_equal(one.overflow, three.overflow)


def test_events_of_different_blocks_differ() -> None:
    cells = simulate(CALOGAN, 130, energy=(1e4, 1e4)).cells
    assert len(np.unique(cells, axis=0)) == 130


def test_a_deep_calorimeter_catches_what_it_sees() -> None:
    events = simulate(deep(stochastic_term=0.0, constant_term=0.0), 300, energy=(1e3, 2e4), seed=3)
    assert events.overflow is not None
    caught = events.total_energy() + events.overflow.sum(axis=1, dtype=float)
    assert caught / events.energy == pytest.approx(np.full(300, 0.9), rel=1e-5)


def test_resolution_is_what_the_detector_says() -> None:
    energies = np.repeat(np.geomspace(1e3, 1e5, 8), 500)
    events = simulate(deep(), len(energies), energy=energies, seed=4)
    ratio = (events.total_energy() / events.energy).reshape(8, 500)
    assert ratio.mean() == pytest.approx(0.9, rel=0.005)
    variance = (ratio.std(axis=1) / ratio.mean(axis=1)) ** 2
    # sigma^2 / E^2 = a^2 / E + b^2 is a straight line in 1 / E; each point is known to 6 %.
    inverse = 1e3 / energies[::500]
    slope, offset = np.polyfit(inverse, variance, 1, w=1 / (0.12**2 * inverse + 0.01**2))
    assert np.sqrt(slope) == pytest.approx(0.12, rel=0.08)
    assert np.sqrt(offset) == pytest.approx(0.01, rel=0.25)


def test_layers_follow_the_gamma_function() -> None:
    n, energy, detector = 2000, 2e4, deep()
    events = simulate(detector, n, energy=np.full(n, energy), seed=5)
    shares = events.layer_energies() / (0.9 * energy)
    medium = effective_medium(detector)
    model = longitudinal_model(medium, np.full(100_000, energy))
    profiles = draw_profiles(model, np.random.default_rng(0))
    fronts = np.arange(41) * 20.0 / medium.radiation_length
    means = [gammainc(profiles.alpha, profiles.beta * t).mean() for t in fronts]
    errors = shares.std(axis=0) / np.sqrt(n)
    assert np.all(np.abs(shares.mean(axis=0) - np.diff(means)) < 5 * errors + 2e-4)


def test_rings_follow_the_two_component_profile() -> None:
    n, energy, detector = 1500, 2e4, deep()
    events = simulate(detector, n, energy=np.full(n, energy), seed=6)
    medium = effective_medium(detector)
    model = longitudinal_model(medium, np.full(100_000, energy))
    rng = np.random.default_rng(1)
    profiles = draw_profiles(model, rng)
    t = rng.standard_gamma(profiles.alpha) / profiles.beta
    tau = (t * profiles.tau_per_depth).astype(np.float32)
    profile = radial_profile(medium, np.full(len(t), np.log(20), np.float32), tau)
    rings = events.cells.reshape(n, 40, 8, 6).sum(axis=(1, 2), dtype=float)
    contained = np.cumsum(rings / rings.sum(axis=1, keepdims=True), axis=1)
    for ring, radius in enumerate((2.0, 5.0, 10.0, 20.0, 50.0)):
        expected = profile.contained(radius).mean()
        error = contained[:, ring].std() / np.sqrt(n)
        assert contained[:, ring].mean() == pytest.approx(expected, abs=5 * error + 5e-4)


def test_photons_are_deeper_by_the_conversion_less_what_the_pair_lacks() -> None:
    n, detector = 3000, deep()
    depth = {}
    for particle in ("e-", "gamma"):
        events = simulate(detector, n, particle=particle, energy=np.full(n, 2e4), seed=8)
        layers = events.layer_energies()
        depth[particle] = layers @ detector.depths / layers.sum(axis=1)
    x0 = effective_medium(detector).radiation_length
    shift = (depth["gamma"].mean() - depth["e-"].mean()) / x0
    # 9/7 for the conversion; the pair's cascades are softer by <ln x> = -10/21 weighted with
    # their energy, and the centre of gravity moves by 1.0 to 1.2 X_0 per unit of ln E.
    assert shift == pytest.approx(9 / 7 - 1.1 * 10 / 21, abs=0.12)
    assert depth["gamma"].std() > depth["e-"].std() + 0.2 * x0


def test_the_threshold_cuts_cells_and_nothing_else() -> None:
    low, high = (
        simulate(deep().model_copy(update={"threshold": t}), 50, energy=(1e4, 2e4))
        for t in (0.0, 5.0)
    )
    assert np.all((high.cells == 0) | (high.cells >= 5))
    assert np.array_equal(high.cells, np.where(low.cells < 5, 0, low.cells))
    assert 0 < np.count_nonzero(high.cells) < np.count_nonzero(low.cells)


def test_cells_are_in_the_unit_of_the_detector() -> None:
    mev, gev = (
        simulate(deep().model_copy(update={"cell_unit": unit}), 20) for unit in ("MeV", "GeV")
    )
    assert gev.cells * 1e3 == pytest.approx(mev.cells, rel=1e-5)


def test_showers_are_symmetric_around_the_axis_and_sparse() -> None:
    events = simulate(load_detector("calochallenge-2"), 800, energy=(1e4, 1e4), seed=9)
    fraction = events.cells.reshape(800, 45, 16, 9).sum(axis=(1, 3), dtype=float) / 1e4
    error = fraction.std(axis=0) / np.sqrt(800)
    assert np.all(np.abs(fraction.mean(axis=0) - fraction.mean()) < 4 * error)
    hits = (events.cells > 0).mean()
    assert 0.01 < hits < 0.2


def test_higher_energy_fills_more_cells() -> None:
    hits = [
        (simulate(CALOGAN, 100, energy=(e, e)).cells > 0).sum(axis=1).mean()
        for e in (1e3, 1e4, 1e5)
    ]
    assert hits[0] < hits[1] < hits[2]


@pytest.mark.parametrize("energy", [(-1.0, 5.0), (0.0, 5e3), (5e3, 1e3)])
def test_a_range_must_rise_from_above_zero(energy: tuple[float, float]) -> None:
    with pytest.raises(RangeError, match="does not rise from above 0"):
        simulate(CALOGAN, 2, energy=energy)


@pytest.mark.parametrize("energy", [10.0, -5e3, 5e7, np.nan])
def test_energies_outside_the_formulas_are_refused(energy: float) -> None:
    with pytest.raises(RangeError, match="the shower formulas hold from 50 MeV to 10 TeV"):
        simulate(CALOGAN, 2, energy=np.array([1e3, energy]))


def test_other_mistakes_are_named() -> None:
    with pytest.raises(MissingError, match=r"'pi\+'"):
        simulate(CALOGAN, 2, particle="pi+")
    with pytest.raises(DetectorError, match="is an image"):
        simulate_showers(load_detector("galaxies-32"), 2)
    with pytest.raises(DetectorError, match="'electron', not an energy"):
        simulate(CALOGAN.model_copy(update={"cell_unit": "electron"}), 2)
    with pytest.raises(DataError, match=r"shape \(3,\), but n = 2"):
        simulate(CALOGAN, 2, energy=np.full(3, 1e3))
    with pytest.raises(RangeError, match="n = 0"):
        simulate(CALOGAN, 0)
    with pytest.raises(ConfigError, match="'flat' is not a spectrum"):
        simulate(CALOGAN, 2, spectrum="flat")


@pytest.mark.parametrize("particle", ["e+", "e-"])
def test_an_electron_is_one_cascade_from_the_front(particle: str) -> None:
    cascades = start_cascades(particle, 5, np.random.default_rng(0))
    assert cascades.event.tolist() == [0, 1, 2, 3, 4]
    assert np.all(cascades.fraction == 1)
    assert np.all(cascades.start == 0)


def test_a_photon_is_two_cascades_from_one_point() -> None:
    n = 50_000
    cascades = start_cascades("gamma", n, np.random.default_rng(0))
    start, fraction = cascades.start.reshape(n, 2), cascades.fraction.reshape(n, 2)
    assert np.all(start[:, 0] == start[:, 1])
    assert fraction.sum(axis=1) == pytest.approx(np.ones(n))
    assert kstest(start[:, 0], "expon", args=(0, 9 / 7)).pvalue > 1e-3


def test_the_pair_divides_the_energy_after_bethe_and_heitler() -> None:
    fraction = pair_fraction(50_000, np.random.default_rng(1))

    def distribution(x: np.ndarray) -> np.ndarray:
        return (x - 2 / 3 * x**2 + 4 / 9 * x**3) * 9 / 7

    assert kstest(fraction, distribution).pvalue > 1e-3


@pytest.mark.parametrize("particle", ["pi+", "mu-", "photon", ""])
def test_other_particles_are_refused(particle: str) -> None:
    with pytest.raises(MissingError, match=r"available: e\+, e-, gamma"):
        start_cascades(particle, 1, np.random.default_rng(0))


def spots_of(name: str, particle: str, energy: float, n: int, seed: int = 0) -> Spots:
    rng = np.random.default_rng(seed)
    incident = np.full(n, energy)
    medium = effective_medium(load_detector(name))
    return draw_spots(medium, start_cascades(particle, n, rng), incident, 0.9 * incident, rng)


@pytest.mark.parametrize("particle", ["e-", "gamma"])
@pytest.mark.parametrize("name", ["calogan", "calochallenge-2"])
@pytest.mark.parametrize("energy", [100.0, 3e3, 1e6])
def test_spots_share_the_deposited_energy(name: str, particle: str, energy: float) -> None:
    spots = spots_of(name, particle, energy, 20)
    assert np.all(spots.energy >= 0)
    assert np.all(np.diff(spots.event) >= 0)
    assert np.all((spots.turn >= 0) & (spots.turn < 1))
    sums = np.bincount(spots.event, spots.energy, 20)
    assert sums == pytest.approx(np.full(20, 0.9 * energy), rel=1e-12)


@pytest.mark.parametrize("name", ["calogan", "calochallenge-2"])
def test_the_mean_profile_is_the_mean_of_the_gamma_functions(name: str) -> None:
    n, energy = 4000, 3e4
    medium = effective_medium(load_detector(name))
    depths = np.array([2.0, 4, 6, 8, 10, 13, 17, 22])
    spots = spots_of(name, "e-", energy, n)
    t = spots.depth / medium.radiation_length
    drawn = np.array([np.bincount(spots.event, spots.energy * (t < d), n) for d in depths])
    drawn /= 0.9 * energy
    model = longitudinal_model(medium, np.full(200_000, energy))
    profiles = draw_profiles(model, np.random.default_rng(1))
    for depth, mean, std in zip(depths, drawn.mean(axis=1), drawn.std(axis=1), strict=True):
        expected = gammainc(profiles.alpha, profiles.beta * depth)
        # 4.5 standard errors, and 0.1 % for the shares being a ratio of two fluctuating sums.
        assert mean == pytest.approx(expected.mean(), abs=4.5 * std / np.sqrt(n) + 0.001)
        # The spots add their own fluctuations to those of the parameters.
        assert 0.95 < std / expected.std() < 1.6


def test_the_number_of_spots_is_bounded() -> None:
    model = SpotModel(number=100, power=0.5)
    assert model.mean_number(np.array([1e3, 4e3, 1e9])).tolist() == [100, 200, 10_000]
    assert len(spots_of("calogan", "e-", 1e7, 5).depth) < 5 * 11_000


def random_spots(seed: int, n: int, n_events: int, reach: float, depth: float) -> Spots:
    rng = np.random.default_rng(seed)
    return Spots(
        event=np.sort(rng.integers(0, n_events, n)),
        depth=rng.uniform(0, depth, n).astype(np.float32),
        radius=rng.uniform(0, reach, n).astype(np.float32),
        turn=rng.random(n, dtype=np.float32),
        energy=rng.exponential(1, n),
    )


@pytest.mark.parametrize(
    "name",
    ["calogan", "calochallenge-1-photons", "calochallenge-1-pions", "calochallenge-2"],
)
def test_slots_are_the_cells_that_the_detector_finds(name: str) -> None:
    detector = load_detector(name)
    back = 1.1 * detector.layers[-1].z[1]
    spots = random_spots(0, 50_000, 1, 600.0 if name != "calochallenge-2" else 50.0, back)
    angle = 2 * np.pi * spots.turn.astype(float) - np.pi
    found = detector.find(spots.radius * np.cos(angle), spots.radius * np.sin(angle), spots.depth)
    slots = Readout(detector).slots(spots)
    # Points on a border to within the precision of float32 may go to either side.
    same = np.where(found >= 0, slots == found, slots >= detector.n_cells)
    assert same.mean() > 0.9999
    beside = slots[(found < 0) & (slots < detector.n_cells + detector.n_layers)]
    assert len(beside) > 0


layer_edges = st.lists(st.integers(-60, 60), min_size=2, max_size=6, unique=True).map(sorted)


@st.composite
def detectors(draw: st.DrawFn) -> Detector:
    layers: list[CartesianLayer | PolarLayer] = []
    front = 0.0
    for _ in range(draw(st.integers(1, 4))):
        front += draw(st.sampled_from([0.0, 5.0]))
        z = (front, front + draw(st.integers(1, 40)))
        front = z[1]
        if draw(st.booleans()):
            layers.append(CartesianLayer(z=z, x=draw(layer_edges), y=draw(layer_edges)))
        else:
            radii = sorted({abs(r) for r in draw(layer_edges)} | {61})
            layers.append(PolarLayer(z=z, r=radii, n_alpha=draw(st.integers(1, 7))))
    return Detector(name="random", layers=tuple(layers))


@settings(max_examples=60)
@given(detectors(), st.integers(0, 1000), st.integers(1, 5))
def test_no_energy_appears_or_vanishes(detector: Detector, seed: int, n_events: int) -> None:
    spots = random_spots(seed, 300, n_events, 80.0, 120.0)
    deposits = Readout(detector).deposit(spots, n_events)
    assert deposits.shape == (n_events, detector.n_cells + detector.n_layers + 1)
    assert deposits.sum(axis=1) == pytest.approx(
        np.bincount(spots.event, spots.energy, n_events), rel=1e-12
    )


def test_overflow_and_loss_are_told_apart() -> None:
    detector = Detector(
        name="two",
        layers=(
            PolarLayer(z=(0, 10), r=(0, 5), n_alpha=1),
            PolarLayer(z=(20, 30), r=(0, 50), n_alpha=2),
        ),
    )
    spots = Spots(
        event=np.zeros(5, np.int64),
        depth=np.array([5, 5, 15, 25, 35], np.float32),
        radius=np.array([1, 9, 1, 9, 1], np.float32),
        turn=np.array([0, 0, 0, 0.75, 0], np.float32),
        energy=np.array([1.0, 2, 4, 8, 16]),
    )
    cells, overflow, lost = [1, 0, 8], [2, 0], [20]
    assert Readout(detector).deposit(spots, 1).tolist() == [[*cells, *overflow, *lost]]


def test_every_layer_may_have_a_grid_of_its_own() -> None:
    layers = [
        {"kind": "polar", "z": (k, k + 1.0), "r": [0.0, 5.0 + k], "n_alpha": 1} for k in range(200)
    ]
    readout = Readout(Detector.model_validate({"name": "many", "layers": layers}))
    depth, one = np.array([0.5, 199.5], np.float32), np.ones(2)
    radius = np.full(2, 100, np.float32)
    spots = Spots(np.zeros(2, np.int64), depth, radius, np.zeros(2, np.float32), one)
    assert readout.slots(spots).tolist() == [200, 199]
