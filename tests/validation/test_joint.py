"""Whole events compared: features, weights, classifiers; points of toys and their modes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DetectorError, MissingError
from phys_gan.events import Events
from phys_gan.metrics import EXTRACTORS, MULTIVARIATE, TESTS
from phys_gan.observables import measure, select
from phys_gan.toys import TOYS, simulate_toy
from phys_gan.validation import Options, compare, evaluate, joint, physics_score
from phys_gan.validation.joint import judge_modes
from phys_gan.validation.sample import measure_sample
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())[:1800]


class LayerShares:
    """Shares of the layers, and whether the first holds more than its median as two classes."""

    name = "shares"

    def __init__(self, reference: Events) -> None:
        self.seen = len(reference)
        self.middle = float(np.median(self(reference)[:, 0]))

    def __call__(self, events: Events) -> np.ndarray:
        energies = events.layer_energies()
        return energies / energies.sum(axis=1, keepdims=True)

    def probabilities(self, events: Events) -> np.ndarray:
        above = (self(events)[:, 0] > self.middle).astype(np.float64)
        return np.stack([above, 1 - above], axis=1)


@pytest.fixture
def extractors(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[Events], object]]:
    monkeypatch.setitem(EXTRACTORS, "shares", LayerShares)
    return EXTRACTORS


@pytest.fixture
def few_toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge by fewer permutations, replicas and toys."""
    for name in ("sliced_tests", "sliced_tests_of_cells"):
        monkeypatch.setattr(joint, name, partial(getattr(joint, name), n_permutations=100))
    monkeypatch.setattr(joint, "density_ratio", partial(joint.density_ratio, n_toys=60))


@pytest.mark.usefixtures("few_toys")
def test_own_features_are_compared(extractors: dict[str, Callable[[Events], object]]) -> None:
    options = Options(observables=["depth"], slices=(), trees=False, features=("shares",))
    result = compare(GEANT4[:900], GEANT4[900:], options=options)
    found = result.multivariate
    assert {"fpd", "fid_shares", "kid_shares", "coverage_shares"} <= set(found)
    assert all(r.within_floor for r in found.values()), found
    # Two classes of equal frequency, of which each event is surely one.
    score = found["inception_score_shares"]
    assert score.value == pytest.approx(2, abs=0.02)
    assert score.worse == "lower"
    # Half of the reference was for the extractor.
    assert found["fid_shares"].n_reference == 450
    spoiled = GEANT4[900:].cells.copy()
    spoiled[:, GEANT4.detector.slice(0)] *= 2
    other = Events(spoiled, dict(GEANT4[900:].conditions), GEANT4.detector)
    off = compare(GEANT4[:900], other, options=options).multivariate
    assert not off["fid_shares"].within_floor
    assert not off["inception_score_shares"].within_floor


@pytest.mark.usefixtures("few_toys")
def test_own_features_of_weighted_events(
    extractors: dict[str, Callable[[Events], object]],
) -> None:
    options = Options(observables=["depth"], slices=(), trees=False, features=("shares",))
    reference, candidate = GEANT4[:900], GEANT4[900:]
    # Events with much energy in the first layer count twenty times as much.
    shares = LayerShares(reference)
    much = [shares(events)[:, 0] > shares.middle for events in (reference, candidate)]
    first, second = (
        replace(e, weights=np.where(above, 20.0, 1.0))
        for e, above in zip((reference, candidate), much, strict=True)
    )
    found = compare(first, second, options=options).multivariate
    assert all(r.within_floor for r in found.values()), found
    assert {"fid_shares", "kid_shares", "inception_score_shares"} <= set(found)
    off = compare(first, candidate, options=options)
    assert not off.multivariate["fid_shares"].within_floor
    assert any("diversity" in text for text in off.warnings)


def test_equal_weights_and_a_sample_repeated_as_a_whole_leave_everything_compared() -> None:
    reference, candidate = GEANT4[:200], GEANT4[900:1100]
    options = Options(observables=["depth", "E_1"], slices=(), trees=False)
    plain = compare(reference, candidate, options=options).multivariate
    assert {"fpd", "precision", "duplicates"} <= set(plain)
    equal = compare(reference, replace(candidate, weights=np.full(200, 0.3)), options=options)
    twice = compare(Events.concatenate([reference] * 2), candidate, options=options)
    assert equal.multivariate == twice.multivariate == plain
    # Copies that differ in number weigh, but neighbours are those of different events.
    some = compare(reference[[*range(200), *range(50)]], candidate, options=options).multivariate
    assert some["fpd"] != plain["fpd"]
    assert some["precision"] == plain["precision"]


def test_modes_of_weighted_points_are_not_counted() -> None:
    points = pg.simulate("toy-ring", 400, seed=1), pg.simulate("toy-ring", 400, seed=2)
    weights = np.linspace(0.5, 2, 400)
    found = compare(points[0], replace(points[1], weights=weights))
    assert "modes_hit" not in found.multivariate
    assert "Of weighted points, the modes that are hit are not counted." in found.warnings


def test_classifiers_are_among_the_results() -> None:
    half = GEANT4[900:]
    shifted = Events(half.cells * 1.05, dict(half.conditions), half.detector)
    options = Options(observables=["depth"], slices=(), multivariate=False, classifiers=("high",))
    result = compare(GEANT4[:900], shifted, options=options)
    assert set(result.multivariate) == {
        "auc_high",
        "jsd_high",
        "jsd_calibrated_high",
        "accuracy_high",
    }
    assert result.multivariate["auc_high"].value > 0.7
    assert not result.multivariate["auc_high"].within_floor
    assert list(result.metrics["classifiers"]) == ["high"]
    assert result.metrics["classifiers"]["high"]["form"] == "high"


def test_every_joint_metric_has_words() -> None:
    result = compare(GEANT4[:600], GEANT4[600:1200], training=GEANT4[1200:])
    known = {*MULTIVARIATE, *TESTS}
    known |= {"layer_correlations", "cell_correlations", "cross_layer"}
    assert set(result.multivariate) == known
    assert result.correlations is not None
    assert result.cell_correlations is not None
    assert result.gallery is not None


def test_nothing_joint_is_done_unless_wanted() -> None:
    result = compare(GEANT4[:600], GEANT4[600:1200], options=Options(multivariate=False))
    assert result.multivariate == {}
    assert result.gallery is None
    few = compare(GEANT4[:60], GEANT4[60:120], observables=["depth"])
    assert set(few.multivariate) <= {"layer_correlations", "cell_correlations"}


GRID = TOYS["toy-grid"]
TRUTH = simulate_toy("toy-grid", 4000, seed=1)
OWN = Detector.from_toml('name = "own"\ncell_unit = ""\n' + 2 * '[[layers]]\nkind = "axis"\n')


def lacking(*modes: int, seed: int = 2, n: int = 4000) -> Events:
    """Return points of the grid without some of its modes."""
    points = GRID.sample(2 * n, seed)
    return Events(points[~np.isin(GRID.nearest(points)[0], modes)][:n], {}, TRUTH.detector)


def test_the_observables_of_toys() -> None:
    names = {
        name: [o.name for o in select(load_detector(name), [])]
        for name in ("toy-gaussian", "toy-ring", "toy-grid")
    }
    assert names["toy-gaussian"] == ["x", "log_density"]
    assert names["toy-ring"] == names["toy-grid"] == ["x", "y", "log_density", "mode"]
    # A user's own space has coordinates, whose layers have numbers for names.
    assert [o.name for o in select(OWN, [])] == ["0", "1"]
    assert [o.label for o in select(TRUTH.detector, [])][:2] == ["${x}$", "${y}$"]


def test_the_values_of_the_observables() -> None:
    found = measure(TRUTH, select(TRUTH.detector, []))
    np.testing.assert_array_equal(found["y"], TRUTH.cells[:, 1])
    np.testing.assert_array_equal(found["mode"], GRID.nearest(TRUTH.cells)[0])
    np.testing.assert_array_equal(found["log_density"], GRID.log_density(TRUTH.cells))


def test_showers_and_images_have_no_observables_of_points() -> None:
    for name in ("calogan", "calochallenge-2", "galaxies-32"):
        names = {o.name for o in select(load_detector(name))}
        assert not names & {"log_density", "mode", "0", "x"}


def test_the_score_of_toys_ranks_them() -> None:
    same = physics_score(TRUTH, simulate_toy("toy-grid", 4000, seed=2))
    some = physics_score(TRUTH, lacking(3, 11, 24))
    one = physics_score(TRUTH, lacking(*range(24), n=150))
    assert same < 0.03 < some < one
    # The mean over x, y, ln p and the mode, and nothing else.
    metrics = compare(TRUTH, lacking(3, 11, 24)).metrics["observables"]
    assert list(metrics) == ["x", "y", "log_density", "mode"]
    assert some == pytest.approx(np.mean([found["ks"]["value"] for found in metrics.values()]))
    with pytest.raises(DetectorError, match="cannot compare"):
        physics_score(TRUTH, simulate_toy("toy-ring", 100))


@pytest.mark.parametrize("sizes", [(4000, 4000), (4000, 1000), (1000, 4000), (200, 200)])
def test_the_truth_is_within_its_floor(sizes: tuple[int, int]) -> None:
    outside = 0
    for seed in range(20):
        samples = [
            measure_sample(simulate_toy("toy-grid", n, 100 * seed + k), "it", seed=0)
            for k, n in enumerate(sizes)
        ]
        for name, result in judge_modes(*samples, seed=seed).items():
            outside += not result.within_floor
            assert (result.n_reference, result.n_candidate) == sizes, name
    # Three standard deviations on one side: 0.1 % each, so that two of 60 are a sign of trouble.
    assert outside <= 1


def test_the_errors_and_floors_of_modes() -> None:
    n = 4000
    samples = [measure_sample(simulate_toy("toy-grid", n, k), "it") for k in (1, 2)]
    found = judge_modes(*samples, seed=0)
    assert (found["modes_hit"].value, found["modes_hit"].floor) == (25, 25)
    share = 1 - np.exp(-4.5)
    binomial = np.sqrt(share * (1 - share) / n)
    assert found["high_quality"].error == pytest.approx(binomial, rel=0.35)
    assert found["high_quality"].floor == pytest.approx(share, abs=4 * binomial)
    # The truth itself has (K - 1) / 2N on average, which the floor is scaled to.
    assert found["reverse_kl"].floor == pytest.approx(24 / (2 * n), rel=0.6)
    assert found["reverse_kl"].value == pytest.approx(24 / (2 * n), rel=1)
    assert [found[name].worse for name in found] == ["lower", "lower", "higher"]


def test_missing_modes_are_found() -> None:
    found = compare(TRUTH, lacking(3, 11, 24))
    modes = found.multivariate["modes_hit"]
    assert (modes.value, modes.within_floor) == (22, False)
    assert not found.multivariate["reverse_kl"].within_floor
    assert found.multivariate["high_quality"].within_floor
    named = {finding.name: finding.text for finding in found.findings}
    assert "4000 points of the candidate hit 22 modes" in named["missing modes"]
    assert not evaluate("modes_hit>=25", found.metrics).met
    assert evaluate("modes_hit>=22", found.metrics).met
    assert evaluate("high_quality>0.95", found.metrics).met
    assert evaluate("reverse_kl<0.2", found.metrics).met


def test_nothing_of_showers_is_said_of_toys() -> None:
    found = compare(TRUTH, simulate_toy("toy-grid", 4000, seed=2))
    assert found.within_floor
    assert (found.warnings, found.findings, found.slices) == ([], [], [])
    assert (found.correlations, found.cell_correlations, found.gallery) == (None, None, None)
    assert found.reference.response is None
    assert "cell_energy" not in found.results
    assert "layer_correlations" not in found.multivariate
    assert list(found.multivariate)[:4] == ["modes_hit", "high_quality", "reverse_kl", "fpd"]
    assert all(result.within_floor for result in found.multivariate.values())


def test_a_single_mode_and_an_unknown_density_are_not_counted() -> None:
    gauss = [simulate_toy("toy-gaussian", 500, seed) for seed in (1, 2)]
    assert "modes_hit" not in compare(*gauss).multivariate
    own = [Events(events.cells, {}, OWN) for events in (TRUTH[:500], TRUTH[500:1000])]
    found = compare(*own)
    assert list(found.results) == ["0", "1"]
    assert "modes_hit" not in found.multivariate
    assert found.clouds is not None
    assert found.clouds.truth is None


def test_copies_of_training_points_are_found() -> None:
    training = simulate_toy("toy-grid", 600, seed=5)
    found = compare(TRUTH, training[:500], training=training)
    assert "memorised events" in [finding.name for finding in found.findings]


def test_the_spectrum_of_cells_does_not_exist() -> None:
    with pytest.raises(MissingError, match="'cell_energy' is not an observable of 'toy-grid'"):
        compare(TRUTH, TRUTH, observables=["x", "cell_energy"])


@pytest.mark.slow
def test_a_classifier_sees_coordinates() -> None:
    candidate = lacking(*range(12), n=400)
    options = Options(classifiers=("low",), multivariate=False)
    found = compare(TRUTH[:400], candidate, options=options)
    assert found.multivariate["auc_low"].value > 0.6


@pytest.mark.parametrize("form", ["high", "low-normalised"])
def test_forms_of_showers_are_refused(form: str) -> None:
    options = Options(classifiers=(form,), multivariate=False)
    with pytest.raises(DetectorError, match="describes showers, but 'toy-grid' is a toy"):
        compare(TRUTH[:300], TRUTH[300:600], options=options)


def test_clouds_are_chosen_at_random_and_bounded() -> None:
    many = simulate_toy("toy-grid", 25_000, seed=6)
    clouds = compare(many, TRUTH, observables=["x"]).clouds
    assert clouds is not None
    assert clouds.reference.shape == (20_000, 2)
    assert clouds.candidate.shape == (4000, 2)
    assert {*map(tuple, clouds.reference)} <= {*map(tuple, many.cells.astype(float))}
    assert pg.load_detector("toy-grid") == clouds.detector


NULLS = {"sliced_ks", "sliced_w1", "sliced_ks_cells", "sliced_w1_cells", "nplm"}


@pytest.mark.usefixtures("few_toys")
def test_tests_with_a_null_of_their_own() -> None:
    """Each has a p-value; where they differ is named by the observables that NPLM reweights."""
    reference, candidate = GEANT4[:900], GEANT4[900:]
    cells = candidate.cells.copy()
    cells[:, GEANT4.detector.slice(2)] *= 1.5
    spoiled = Events(cells, dict(candidate.conditions), GEANT4.detector)
    options = Options(slices=(), trees=False)
    same, other = (compare(reference, c, options=options) for c in (candidate, spoiled))
    for name in NULLS:
        assert same.multivariate[name].within_floor, name
        assert same.multivariate[name].p_value is not None
    assert (other.multivariate["nplm"].p_value or 0) < 1e-6
    # Of two tests of 36 observables only some see a single layer.
    assert not all(other.multivariate[name].within_floor for name in NULLS - {"nplm"})
    worst = list(other.reweighted)[:3]
    assert any("2" in name or name == "E_tot/E_inc" for name in worst), worst
    found = other.metrics["nplm_where"][worst[0]]
    bins = len(other.histograms[worst[0]].edges) - 1
    assert len(found["ratio"]) == len(found["spread"]) == bins
    assert found["chi2_ndf"] > 2 > same.reweighted[worst[0]].chi2_ndf
    assert evaluate("nplm>100", other.metrics).met


@pytest.mark.usefixtures("few_toys")
def test_weights_of_either_sign_in_tests_with_a_null_of_their_own() -> None:
    weights = np.random.default_rng(1).exponential(1, 900)
    reference, candidate = GEANT4[:900], replace(GEANT4[900:], weights=weights)
    options = Options(observables=["depth", "sparsity", "E_0"], slices=(), trees=False)
    found = compare(reference, candidate, options=options)
    assert set(found.multivariate) >= NULLS
    assert all(found.multivariate[name].within_floor for name in NULLS)
    weights[:20] *= -1
    signed = compare(reference, replace(candidate, weights=weights), options=options)
    assert set(signed.multivariate) >= NULLS - {"nplm"}
    assert "nplm" not in signed.multivariate
    assert not signed.reweighted
    assert any(text.startswith("NPLM is left out") for text in signed.warnings)


def test_points_of_toys_have_no_cells_to_slice() -> None:
    first, second = (simulate_toy("toy-ring", 600, seed=seed) for seed in (1, 2))
    found = compare(first, second, options=Options(slices=())).multivariate
    assert set(found) & NULLS == {"sliced_ks", "sliced_w1", "nplm"}
    off = Events(second.cells * 1.3, {}, second.detector)
    found = compare(first, off, options=Options(slices=())).multivariate
    assert not found["sliced_w1"].within_floor
    assert not found["nplm"].within_floor
