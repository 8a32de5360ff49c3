"""Maps over two conditions, against direct computation in each cell."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm

from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError, MissingError
from phys_gan.events import Events
from phys_gan.metrics.response import rms90
from phys_gan.simulation import simulate
from phys_gan.validation import Options, compare_all
from phys_gan.validation.comparison import Comparison
from phys_gan.validation.grid import Judged, map_conditions, plan_maps
from phys_gan.validation.sample import Sample, Table, measure_sample

NAMES = ["E_tot/E_inc", "depth"]


@cache
def showers(seed: int, n: int = 900) -> Events:
    """Simulate showers, and give each an angle, a side and a constant."""
    events = simulate(load_detector("calogan"), n, seed=seed, threads=1)
    draws = np.random.default_rng(seed)
    more = {
        "theta": draws.uniform(0, 0.6, n),
        "side": draws.integers(0, 2, n).astype(float),
        "pdg": np.full(n, -11.0),
    }
    return replace(events, conditions=dict(events.conditions) | more)


@cache
def spoiled() -> Events:
    """Lose a fifth of the energy at large angles above 50 GeV."""
    events = showers(2)
    lost = (events.conditions["theta"] > 0.4) & (events.energy > 5e4)
    return replace(events, cells=events.cells * np.where(lost, 0.8, 1.0)[:, None])


def measured(events: Events) -> Sample:
    return measure_sample(events, "sample", observables=NAMES)


def part(sample: Sample, rows: np.ndarray) -> Sample:
    return replace(sample, **vars(Table(**table(sample))[rows]))


def table(sample: Sample) -> dict[str, Any]:
    return {field.name: getattr(sample, field.name) for field in fields(Table)}


def compared(candidate: Events, **options: object) -> Comparison:
    chosen = Options(observables=NAMES, multivariate=False, slices=(), **options)  # type: ignore[arg-type]
    return compare_all(showers(1), {"GAN": candidate}, options=chosen)["GAN"]


def test_cells_hold_equal_numbers_and_all_events() -> None:
    (plan,) = plan_maps(["energy,theta"], measured(showers(1)), [measured(showers(2))])
    found = map_conditions(measured(showers(1)), measured(showers(2)), plan)
    numbers = [tile.n_events for tile in found.tiles]
    assert len(numbers) == 9
    assert {n for n, _ in numbers} <= {99, 100, 101}
    assert sum(n for n, _ in numbers) == 900
    # Of the candidate those are left out that lie beyond the reference.
    assert 890 < sum(m for _, m in numbers) <= 900


def test_quantities_are_those_of_the_events_inside() -> None:
    first, second = measured(showers(1)), measured(spoiled())
    draws = np.random.default_rng(0)
    rows = tuple(np.sort(draws.permutation(900)[:700]) for _ in range(2))
    judged = Judged((draws.normal(size=700), draws.normal(0.5, 1, 700)), rows)  # type: ignore[arg-type]
    (plan,) = plan_maps({"energy,theta": ["depth"]}, first, [second])
    found = map_conditions(first, second, plan, judged)
    assert found.quantities == ["response", "resolution", "KS of depth", "KS of E_tot/E_inc", "AUC"]
    level = 0.01 / 9
    for tile in found.tiles:
        inside = [
            np.flatnonzero(
                (s.conditions["energy"] >= tile.cuts[0].low)
                & (s.conditions["energy"] < tile.cuts[0].high)
                & (s.conditions["theta"] >= tile.cuts[1].low)
                & (s.conditions["theta"] < tile.cuts[1].high)
            )
            for s in (first, second)
        ]
        a, b = (s.values["E_tot/E_inc"][k] for s, k in zip((first, second), inside, strict=True))
        response = tile.entries["response"]
        assert response.value == pytest.approx(b.mean() / a.mean() - 1, rel=1e-5)
        error = np.hypot(b.std() / len(b) ** 0.5, a.std() / len(a) ** 0.5 * b.mean() / a.mean())
        assert response.error == pytest.approx(error / a.mean(), rel=1e-5)
        sigmas = abs(np.log1p(response.value)) / (response.error / (1 + response.value))
        assert response.p_value == pytest.approx(2 * norm.sf(sigmas), rel=1e-6)
        assert response.outside == (response.p_value < level)
        resolution = tile.entries["resolution"].value
        expected = rms90(b) / b.mean() / (rms90(a) / a.mean()) - 1
        assert resolution == pytest.approx(expected, abs=1e-5)
        x, y = (s.values["depth"][k] for s, k in zip((first, second), inside, strict=True))
        distance = ks_2samp(x, y, method="asymp")
        assert tile.entries["KS of depth"].value == pytest.approx(distance.statistic)
        assert tile.entries["KS of depth"].p_value == pytest.approx(distance.pvalue, rel=0.3)
        p, q = (
            s[np.isin(k, i)] for s, k, i in zip(judged.scores, judged.rows, inside, strict=True)
        )
        assert tile.entries["AUC"].value == pytest.approx((q[None] > p[:, None]).mean())


def test_a_loss_in_one_corner_is_seen_there_alone() -> None:
    (found,) = compared(spoiled(), maps=["energy,theta"]).maps
    lost = [
        tile.cuts[0].high > 5.1e4 and tile.cuts[1].high > 0.41
        for tile in found.tiles
        if tile.entries["response"].outside
    ]
    assert lost
    assert all(lost)
    assert found.outside("KS of E_tot/E_inc") >= 1
    corner = next(t for t in found.tiles if t.entries["response"].outside)
    assert corner.worst == "E_tot/E_inc"


def test_false_alarms_are_as_rare_as_promised() -> None:
    whole, alarms = measured(showers(5, 3000)), 0
    for k in range(20):
        order = np.random.default_rng(k).permutation(3000)
        pair = part(whole, order[:400]), part(whole, order[400:800])
        (plan,) = plan_maps(["energy,theta"], pair[0], [pair[1]])
        found = map_conditions(*pair, plan)
        alarms += sum(found.outside(name) > 0 for name in found.quantities)
    # 20 maps of four quantities, each with a false alarm in 1 %: more than 4 in 0.1 %.
    assert alarms <= 4


def test_the_energy_goes_with_everything_that_varies() -> None:
    found = compared(showers(2))
    assert [m.conditions for m in found.maps] == [("energy", "theta"), ("energy", "side")]
    # Two values, with five ranges of energy of 90 events each.
    assert len(found.maps[1].tiles) == 8
    assert {tile.cuts[1].single for tile in found.maps[1].tiles} == {True}
    assert compared(showers(2), maps=()).maps == []
    few = compare_all(
        showers(1)[:300],
        {"GAN": showers(2)},
        options=Options(observables=NAMES, multivariate=False),
    )
    assert few["GAN"].maps == []


def test_cells_with_few_events_are_not_compared() -> None:
    events = showers(2)
    low = events[np.flatnonzero(events.conditions["theta"] < 0.3)]
    found = compared(low, maps=["energy,theta"])
    grey = [tile for tile in found.maps[0].tiles if tile.too_few]
    assert grey
    assert all(tile.cuts[1].high > 0.3 and not tile.entries for tile in grey)
    cells = found.metrics["maps"][0]["cells"]
    assert cells[0]["values"]["response"]["p_value"] > 1e-4
    assert sum("not_compared" in cell for cell in cells) == len(grey)
    assert grey[-1].too_few == "no candidate events"


def test_weights_count() -> None:
    """Twice the weight is the same as coming twice."""
    events, draws = showers(2), np.random.default_rng(3)
    weights = draws.integers(1, 3, len(events)).astype(float)
    heavy = replace(events, weights=weights)
    (plan,) = plan_maps(["energy,theta"], measured(showers(1)), [measured(heavy)])
    first = measured(showers(1))
    found = map_conditions(first, measured(heavy), plan)
    sample = measured(events)
    for tile in found.tiles:
        rows = np.intersect1d(*(cut.rows(sample) for cut in tile.cuts))
        mean = np.average(sample.values["E_tot/E_inc"][rows], weights=weights[rows])
        own = np.intersect1d(*(cut.rows(first) for cut in tile.cuts))
        expected = mean / first.values["E_tot/E_inc"][own].mean() - 1
        assert tile.entries["response"].value == pytest.approx(expected, abs=1e-5)


def test_what_cannot_be_mapped_is_said() -> None:
    with pytest.raises(ConfigError, match=r"'energy' does not name two conditions"):
        compared(showers(2), maps=["energy"])
    with pytest.raises(MissingError, match=r"no condition 'eta' to map; available: energy"):
        compared(showers(2), maps=["energy,eta"])
    with pytest.raises(MissingError, match=r"'nonsense' was not measured"):
        compared(showers(2), maps={"energy,theta": ["nonsense"]})


def test_images_are_mapped_over_flux() -> None:
    first, second = (
        simulate(load_detector("galaxies-32"), 450, seed=seed, threads=1) for seed in (1, 2)
    )
    options = Options(observables=["flux/flux_in"], multivariate=False)
    found = compare_all(first, {"GAN": second}, options=options)["GAN"]
    assert all(m.conditions[0] == "flux" for m in found.maps)
    assert len(found.maps) == 3
    assert "response" in found.maps[0].quantities
