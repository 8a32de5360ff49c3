"""Ramps of the galaxy simulator itself, whose responses are known, and of spoiled ones."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np
import pytest

from phys_gan.detectors import load_detector
from phys_gan.events import Events
from phys_gan.simulation.galaxies import CONDITIONS, simulate_galaxies
from phys_gan.validation.exploration import Range, counterparts, meaning_of, measure_ramp

GALAXIES = load_detector("galaxies-32")
N = 20
RANGES = [
    Range(name, c.low, c.high, meaning_of(GALAXIES, name).angle) for name, c in CONDITIONS.items()
]

Told = Mapping[str, np.ndarray]


def simulated(conditions: Told) -> Events:
    return simulate_galaxies(GALAXIES, N, conditions=conditions, seed=3, threads=1)


def replaced(conditions: Told, **values: np.ndarray) -> Events:
    """Simulate under other conditions than those that were asked for."""
    events = simulated({**conditions, **values})
    return Events(events.cells, conditions, GALAXIES)


@pytest.mark.parametrize("name", list(CONDITIONS))
def test_the_simulator_follows_every_condition(name: str) -> None:
    ramp = measure_ramp(simulated, RANGES, name, N)
    (response,) = ramp.responses
    assert response.good
    assert response.followed.spearman == 1
    assert "over the whole range" in ramp.verdict(response)
    if ramp.meaning.equal:
        # Some of the flux is beside the stamp.
        np.testing.assert_allclose(response.followed.mean, ramp.values, rtol=0.06, atol=0.03)
    np.testing.assert_array_equal(ramp.events.condition(name), ramp.values)
    for other in RANGES:
        if other.name != name:
            assert set(ramp.events.condition(other.name)) == {other.middle}
    json.dumps(ramp.as_dict(), allow_nan=False)


def test_a_higher_flux_that_makes_a_galaxy_fainter_is_named() -> None:
    def respond(told: Told) -> Events:
        return replaced(told, flux=np.where(told["flux"] > 100, 70.0, told["flux"]))

    ramp = measure_ramp(respond, RANGES, "flux", N)
    (response,) = ramp.responses
    assert not response.good
    assert ramp.verdict(response).startswith(
        "A higher flux does not always make flux_r larger: it falls at 1 of 8 steps, most from "
        "84.3 to 112 count, by 13."
    )
    assert ramp.as_dict()["responses"]["flux_r"]["monotonic"] is False


def test_a_condition_that_is_turned_round() -> None:
    def respond(told: Told) -> Events:
        return replaced(told, flux=4000 / told["flux"])

    ramp = measure_ramp(respond, RANGES, "flux", N)
    (response,) = ramp.responses
    assert response.followed.spearman == -1
    assert "A higher flux makes flux_r smaller: from 20 to 200 count, by 17" in ramp.verdict(
        response
    )


def test_a_condition_that_is_not_heard() -> None:
    ramp = measure_ramp(lambda told: replaced(told, noise=told["noise"] * 0 + 0.05), RANGES,
                        "noise", N)  # fmt: skip
    (response,) = ramp.responses
    assert response.followed.monotonic
    assert not response.good
    assert ramp.verdict(response).startswith("noise_r does not follow noise: from 0.02 to 0.1")


def test_galaxies_that_are_not_there() -> None:
    def respond(told: Told) -> Events:
        return replaced(told, flux=np.where(told["half_light_radius"] < 0.35, 1e-3, 60.0))

    ramp = measure_ramp(respond, RANGES, "half_light_radius", N)
    (response,) = ramp.responses
    assert "hardly any event has one at half_light_radius = 0.3 arcsec" in ramp.verdict(response)
    assert ramp.as_dict()["responses"]["half_light_radius_r"]["mean"][0] is None


def test_showers_by_their_energy() -> None:
    detector = load_detector("calogan")

    def respond(told: Told) -> Events:
        cells = np.outer(told["energy"], np.full(detector.n_cells, 0.8 / detector.n_cells))
        return Events(cells, told, detector)

    ramp = measure_ramp(respond, [Range("energy", 1e3, 1e5)], "energy", 3, steps=5)
    (response,) = ramp.responses
    np.testing.assert_allclose(response.followed.mean, 0.8 * ramp.values / 1000, rtol=1e-6)
    assert ramp.verdict(response) == (
        "E_tot rises with energy over the whole range, 1 to 100 GeV, by 79.2 GeV."
    )
    unknown = measure_ramp(
        lambda told: respond({**told, "energy": np.full(3, 1e4)}),
        [Range("humidity", 0.0, 1.0)],
        "humidity",
        3,
    )
    assert unknown.responses == []


def test_middle_and_steps() -> None:
    np.testing.assert_allclose(Range("a", 1.0, 100.0).at([0, 0.5, 1]), [1, 10, 100])
    np.testing.assert_allclose(Range("a", 1.0, 4.0).at([0, 0.5, 1]), [1, 2.5, 4])
    np.testing.assert_allclose(Range("a", -1.0, 9.0).at([0, 0.5, 1]), [-1, 4, 9])
    assert not Range("a", 1e-3, math.pi, angle=True).geometric
    for one in (Range("a", 0.1, 0.7), Range("b", 0.3, 777.7)):
        ends = one.at([0.0, 1.0])
        assert ends[0] >= one.low
        assert ends[1] <= one.high


def test_what_answers_to_what() -> None:
    assert [o.name for o in counterparts(GALAXIES, "half_light_radius")] == ["half_light_radius_r"]
    assert counterparts(GALAXIES, "energy") == []
    assert counterparts(load_detector("calogan"), "flux") == []
    assert [o.name for o in counterparts(load_detector("calogan"), "energy")] == ["E_tot"]
    assert meaning_of(GALAXIES, "flux").axis_label == r"$F_\mathrm{in}$ [count]"
    assert meaning_of(GALAXIES, "what$_ever").label == r"what\$ ever"
