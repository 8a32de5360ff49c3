"""Trainings of one model: what their spread covers, and how many events they are worth."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest

from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError
from phys_gan.events import Events
from phys_gan.simulation import simulate
from phys_gan.validation import Comparisons, Options, compare_all
from phys_gan.validation.distributions import choose_bins
from phys_gan.validation.ensemble import Ensemble, useful_number
from phys_gan.validation.histograms import Histogram, scalar_histogram
from phys_gan.validation.sample import Sample, measure_sample

OBSERVABLES = ("E_0/E_tot", "E_1/E_tot", "E_2/E_tot", "depth", "width_x_1", "width_y_0",
               "brightest_0", "brightest_1", "E_ratio_1", "sparsity_1")  # fmt: skip


@cache
def pool() -> Events:
    return simulate(load_detector("calogan"), 6000, particle="e+", energy=(1e4, 1e5), seed=3)


def generated(parameters: np.ndarray, rows: np.ndarray) -> Sample:
    """Return showers of a generator that is off: layers scaled, and their cells sharpened."""
    events = pool()[rows]
    cells = events.cells.astype(np.float64)
    for k in range(3):
        layer = events.detector.slice(k)
        energy = cells[:, layer].sum(axis=1, keepdims=True)
        sharp = cells[:, layer] ** (1 + parameters[3 + k])
        total = np.maximum(sharp.sum(axis=1, keepdims=True), 1e-12)
        cells[:, layer] = sharp * (energy * np.exp(parameters[k]) / total)
    made = Events(cells.astype("f4"), dict(events.conditions), events.detector)
    return measure_sample(made, "generated", observables=OBSERVABLES)


def histograms(reference: Sample, candidates: list[Sample]) -> dict[str, dict[str, Histogram]]:
    bins = choose_bins(reference, candidates, None, spectrum=False)
    return {
        str(number): {
            o.name: scalar_histogram(
                o, bins[o.name], (reference.values[o.name], candidate.values[o.name])
            )
            for o in reference.observables
        }
        for number, candidate in enumerate(candidates)
    }


def test_the_band_covers_the_truth() -> None:
    """The truth is as far from the trainings as they are from each other: 68 % of bins.

    Bins of one ensemble move together, so that many ensembles are needed.
    """
    generator = np.random.default_rng(5)
    width = np.array([0.04, 0.02, 0.08, 0.02, 0.02, 0.02])
    covered, n_training = [], 900
    for _ in range(16):
        order = generator.permutation(6000)
        parts = [order[k * 1000 : (k + 1) * 1000] for k in range(6)]
        centre = generator.normal(0, width)
        made = [generated(centre + generator.normal(0, width), rows) for rows in parts]
        ensemble = Ensemble.of(histograms(made[0], made[1:]), n_training)
        covered.append(ensemble.coverage)
        assert all(band.total.shape == band.mean.shape for band in ensemble.bands.values())
    # The standard deviation between ensembles is about 0.1, that of their mean 0.025.
    assert np.mean(covered) == pytest.approx(0.683, abs=0.06), covered


def test_what_all_trainings_have_in_common_is_not_covered() -> None:
    generator = np.random.default_rng(6)
    order = generator.permutation(6000)
    off = np.array([0.3, 0, 0.5, 0.2, 0.2, 0.2])
    reference = generated(np.zeros(6), order[:1500])
    made = [generated(off, order[1500 * k : 1500 * (k + 1)]) for k in (1, 2, 3)]
    ensemble = Ensemble.of(histograms(reference, made))
    assert ensemble.coverage < 0.5
    assert "in common" in ensemble.text
    assert ensemble.text in ensemble.summary()
    # Worth the fewest events first, and hardly any where the model is wrong.
    worst = ensemble.bands[ensemble.ranking[0]].useful
    assert worst.number is not None
    assert worst.at_least < worst.number < 200
    assert ensemble.amplification(ensemble.ranking[0]) is None


def gaussians(shift: float, n: int, m: int, seed: int) -> Histogram:
    generator = np.random.default_rng(seed)
    edges = np.linspace(-2.5, 2.5, 11)
    samples = generator.normal(0, 1, n), generator.normal(shift, 1, m)
    filled = [np.histogram(x, [-np.inf, *edges, np.inf])[0].astype(np.float64) for x in samples]
    errors = [np.sqrt(entries) for entries in filled]
    return Histogram("x", "x", "", edges, *filled, *errors, (0, 0), (n, m))  # type: ignore[arg-type]


def test_useful_number_of_a_known_shift() -> None:
    """n events of truth have sum (p' - p)^2/p = (B - 1)/n; a shift d has about d^2."""
    shift = 0.1
    found = [useful_number([gaussians(shift, 40_000, 80_000, seed)]) for seed in range(20)]
    from scipy.stats import norm

    edges = np.array([-np.inf, *np.linspace(-2.5, 2.5, 11), np.inf])
    p, q = (np.diff(norm.cdf(edges - d)) for d in (0, shift))
    expected = (len(p) - 1) / np.sum((p - q) ** 2 / p)
    numbers = [useful.number for useful in found if useful.number is not None]
    assert len(numbers) == 20
    assert np.mean(numbers) == pytest.approx(expected, rel=0.05)
    # The bound holds in 95 %.
    assert sum(useful.at_least < expected for useful in found) >= 16
    # It does not depend on how many events are generated.
    more = useful_number([gaussians(shift, 40_000, 400_000, 1)])
    assert more.number == pytest.approx(expected, rel=0.2)


def test_a_perfect_generator_is_not_limited() -> None:
    found = [useful_number([gaussians(0, 4000, 8000, seed)]) for seed in range(40)]
    limited = sum(useful.number is not None for useful in found)
    # 2 of 40 by chance.
    assert limited <= 6
    assert np.median([useful.at_least for useful in found]) > 1000
    empty = useful_number([gaussians(0, 5, 5, 1)])
    assert (empty.number, empty.at_least) == (None, 0.0)


@cache
def compared() -> Comparisons:
    rows = np.arange(6000)
    reference = pool()[rows[:1000]]
    made = {}
    for k in (1, 2, 3):
        part = pool()[rows[1000 * k : 1000 * (k + 1)]]
        cells = part.cells.copy()
        cells[:, part.detector.slice(2)] *= 1 + 0.2 * k
        made[f"training {k}"] = Events(cells, dict(part.conditions), part.detector)
    made["training 3"] = replace(made["training 3"], weights=np.linspace(0.5, 1.5, 1000))
    options = Options(
        observables=["depth", "E_2/E_tot", "cell_energy"], slices=(), multivariate=False
    )
    return compare_all(reference, made, options=options).as_ensemble(n_training=500)


def test_results_of_an_ensemble() -> None:
    found = compared()
    assert found.ensemble is not None
    written = json.loads(json.dumps(found.metrics, allow_nan=False))["ensemble"]
    assert written["trainings"] == ["training 1", "training 2", "training 3"]
    share = written["observables"]["E_2/E_tot"]
    assert share["useful_events"]["number"] < 5000, share
    assert share["amplification"] == pytest.approx(share["useful_events"]["number"] / 500)
    assert 0 <= share["coverage"] <= 1
    band = found.ensemble.bands["E_2/E_tot"]
    assert np.all(band.total >= band.statistical / 3**0.5 - 1e-12)
    # Another layer energy changes how far the trainings are apart, beyond statistics.
    assert band.systematic.max() > band.statistical[band.systematic.argmax()]
    assert "useful events" in found.summary()
    with pytest.raises(ConfigError, match="at least 2 trainings of one model, not 1"):
        Comparisons({"one": found["training 1"]}).as_ensemble()


def test_histfactory_holds_the_band() -> None:
    ensemble = compared().ensemble
    assert ensemble is not None
    workspace = json.loads(json.dumps(ensemble.histfactory(), allow_nan=False))
    assert set(workspace) == {"channels", "observations", "measurements", "version"}
    names = [channel["name"] for channel in workspace["channels"]]
    assert names == [observed["name"] for observed in workspace["observations"]]
    assert set(names) == {"depth", "E_2_over_E_tot", "cell_energy"}
    for channel, observed in zip(workspace["channels"], workspace["observations"], strict=True):
        (sample,) = channel["samples"]
        nominal = np.array(sample["data"])
        assert np.all(nominal > 0)
        assert len(observed["data"]) == len(nominal)
        kinds = [modifier["type"] for modifier in sample["modifiers"]]
        # Three trainings span two shapes.
        assert kinds == ["normfactor", "histosys", "histosys", "staterror"]
        assert len(sample["modifiers"][-1]["data"]) == len(nominal)
        if channel["name"] == "depth":
            assert sum(observed["data"]) == pytest.approx(1000)
            assert nominal.sum() == pytest.approx(1000)
    # The shapes add up to the systematic part of the band, in each bin that is not joined.
    sample = workspace["channels"][names.index("depth")]["samples"][0]
    shapes = [m["data"] for m in sample["modifiers"] if m["type"] == "histosys"]
    half = np.array([(np.array(s["hi_data"]) - np.array(s["lo_data"])) / 2 for s in shapes])
    width = np.sqrt((half**2).sum(axis=0)) / 1000
    band = ensemble.bands["depth"]
    expected = np.sqrt(np.maximum(0, band.total**2 - band.statistical**2 / 3))
    middle = len(width) // 2
    assert np.isclose(expected, width[middle], rtol=1e-6).any()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(find_spec("pyhf") is None, reason="pyhf is not installed")
def test_pyhf_reads_it() -> None:
    import pyhf

    ensemble = compared().ensemble
    assert ensemble is not None
    workspace = pyhf.Workspace(ensemble.histfactory())
    assert workspace.model().config.poi_name == "mu"
