from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import geant4
from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError, DetectorError, MissingError, RangeError
from phys_gan.events import Events
from phys_gan.metrics.classifier import FORMS, PRESETS, Settings, two_sample_test
from phys_gan.metrics.classifier.scores import Scores, auc_sigma
from phys_gan.metrics.classifier.training import silent
from phys_gan.metrics.classifier.two_sample import judge_accuracy, judge_auc, run_trials

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared" / "data" / "geant4" / "calogan_eplus.h5"
QUICK = PRESETS["quick"]
BRIEF = replace(QUICK, epochs=3, seeds=2)


def scaled(events: Events, factor: float) -> Events:
    cells = events.cells * np.float32(factor)
    return Events(cells, dict(events.conditions), events.detector)


def test_halves_of_geant4_are_at_the_floor_and_one_percent_is_not() -> None:
    events = geant4()
    same = two_sample_test(events[::2], events[1::2])
    assert same.within_floor
    assert same.auc.value == pytest.approx(0.5, abs=4 * same.auc.floor_error)
    assert same.auc.p_value > 1e-3
    assert same.jsd.value < 0.01
    assert same.control.within_floor
    off = two_sample_test(events[::2], scaled(events[1::2], 1.01))
    assert off.auc.value > 0.9
    assert not any(result.within_floor for result in off.results.values())
    assert off.auc.p_value < 1e-20
    assert off.control.within_floor
    assert off.jsd.value > 0.5
    assert off.whitened


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_see_a_dead_cell_that_matters(form: str) -> None:
    events = geant4()[:2400]
    dead = events.cells[1::2].copy()
    dead[:, 288 + 66] = 0
    candidate = Events(dead, {"energy": events.energy[1::2]}, events.detector)
    # Convolutions take longer, and see it sooner.
    settings = (
        replace(QUICK, epochs=3, seeds=1) if form == "cnn" else replace(QUICK, epochs=8, seeds=2)
    )
    result = two_sample_test(events[::2], candidate, form=form, settings=settings)
    assert not result.auc.within_floor
    assert result.auc.value > 0.6
    assert result.form == form


def test_the_result_has_the_form_of_the_file() -> None:
    events = geant4()
    result = two_sample_test(events[:500], events[500:1300], settings=BRIEF, seed=4)
    assert result.auc.n_reference == result.auc.n_candidate == 500
    assert result.auc.floor == 0.5
    # 100 test events of each, two trainings.
    sigma = np.sqrt(201 / 12e4) * np.sqrt((1 + 1 / 3) / 2)
    assert result.auc.floor_error == pytest.approx(sigma)
    assert result.auc.limit == pytest.approx(0.5 + 3 * sigma)
    assert len(result.aucs) == 2
    assert result.auc.value == pytest.approx(np.mean(result.aucs))
    assert result.control.n_reference == 250
    assert result.n_inputs == 1 + 3 + 12 + 2
    assert result.conditions == ("energy",)
    assert result.roc.fpr.shape == result.roc.tpr.shape == result.roc.tpr_error.shape == (201,)
    assert result.calibration.counts.sum() == 2 * 2 * 100
    area = np.sum(np.diff(result.roc.fpr) * (result.roc.tpr[1:] + result.roc.tpr[:-1]) / 2)
    assert area == pytest.approx(result.auc.value, abs=0.01)
    text = json.dumps(result.as_dict(), allow_nan=False)
    assert {"auc", "jsd", "jsd_calibrated", "accuracy", "roc", "calibration"} <= set(
        json.loads(text)
    )


def test_equal_seeds_give_equal_results_and_progress_is_told() -> None:
    events = geant4()
    told: list[tuple[int, int]] = []
    before = torch.get_rng_state()
    first, second, third = (
        two_sample_test(
            *(events[:300], events[300:600]),
            settings=BRIEF,
            seed=seed,
            report=lambda done, total: told.append((done, total)),
        ).as_dict()
        for seed in (1, 1, 2)
    )
    assert first == second
    assert first["aucs"] != third["aucs"]
    assert torch.equal(torch.get_rng_state(), before)
    once = told[: len(told) // 3]
    assert once == sorted(once)
    assert once[-1] == (12, 12)


def test_most_events_are_drawn_at_random() -> None:
    events = geant4()
    settings = replace(BRIEF, max_events=300)
    result = two_sample_test(events[:1000], events[1000:1700], settings=settings)
    assert result.auc.n_reference == 300
    # Halves of a reference that is large enough are not smaller than the samples.
    assert result.control.n_reference == 300


def test_the_energy_is_seen_only_where_both_have_it() -> None:
    events = geant4()[:800]
    unknown = Events(events.cells[400:], {}, events.detector)
    result = two_sample_test(events[:400], unknown, settings=BRIEF)
    assert result.conditions == ()
    assert result.n_inputs == 17


def test_a_condition_without_effect_is_seen_when_it_is_shown() -> None:
    # The reference depends on the condition, the candidate has it and ignores it.
    generator = np.random.default_rng(3)
    detector = load_detector("calogan")
    sides = []
    for depends in (True, False):
        angle = generator.uniform(1, 2, 800)
        strength = angle if depends else generator.permutation(angle)
        cells = generator.gamma(50, strength[:, None], (800, 504))
        sides.append(Events(cells, {"energy": np.full(800, 1e5), "angle": angle}, detector))
    settings = replace(QUICK, seeds=1, epochs=30)
    hidden = two_sample_test(*sides, settings=settings)
    shown = two_sample_test(*sides, settings=settings, conditions=["angle"])
    assert shown.conditions == ("energy", "angle")
    assert hidden.auc.within_floor
    assert shown.auc.value > 0.8
    assert shown.auc.error > 0
    with pytest.raises(MissingError, match="no condition 'phase'"):
        two_sample_test(*sides, conditions=["phase"])


def test_energies_of_the_reference_do_not_mislead() -> None:
    # Each incident energy occurs once in either sample, at the same place.
    generator = np.random.default_rng(1)
    energy = generator.uniform(1, 2, 400)
    noise = generator.normal(0, 1, (2, 400))
    sides = [np.stack([energy, side], axis=1).astype(np.float32) for side in noise]
    trials = run_trials(
        *sides,
        replace(QUICK, epochs=40, patience=None, seeds=5),
        seed=0,
        device=torch.device("cpu"),
        report=silent,
    )
    result = judge_auc([trial.test for trial in trials], (400, 400))
    assert abs(result.value - 0.5) < 3 * result.floor_error


def test_input_that_cannot_be_judged_is_refused() -> None:
    events = geant4()
    other = load_detector("calochallenge-1-photons")
    photons = Events(np.ones((300, other.n_cells)), {"energy": np.full(300, 1e3)}, other)
    with pytest.raises(DetectorError, match=r"'calogan' with events of 'calochallenge-1-photons'"):
        two_sample_test(events, photons)
    with pytest.raises(RangeError, match=r"candidate has 199 events.*at least 200 are needed"):
        two_sample_test(events, events[:199])
    with pytest.raises(RangeError, match=r"max_events = 100"):
        two_sample_test(events, events, settings=Settings(max_events=100))
    with pytest.raises(MissingError, match="'middle' is not an input form"):
        two_sample_test(events, events, form="middle")
    with pytest.raises(ConfigError, match="no device 'abacus'"):
        two_sample_test(events, events, device="abacus")


def test_validation_does_not_load_networks_or_trees() -> None:
    code = "import phys_gan.validation, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "phys_gan.validation" in loaded
    assert not {"torch", "sklearn", "phys_gan.metrics.classifier.two_sample"} & set(loaded)


def weighted_events(n: int, shift: float, seed: int, signs: bool) -> Events:
    """Showers whose layers share ln-normal factors, the first shifted; weights undo the shift.

    With signs a fifth of the weights is negative, more where the first factor is high, and the
    density is higher there so that the weighted one is the same.
    """
    generator = np.random.default_rng(seed)
    z = generator.normal(0, 1, (8 * n, 3))
    z[:, 0] += shift
    counting = np.exp(shift**2 / 2 - shift * z[:, 0])
    if signs:
        mean_sign = 1 - 0.8 / (1 + np.exp(-2 * z[:, 0]))
        kept = generator.random(8 * n) < 0.2 / mean_sign
        z, mean_sign, counting = z[kept][:n], mean_sign[kept][:n], counting[kept][:n]
        negative = generator.random(len(z)) < (1 - mean_sign) / 2
        counting = np.where(negative, -counting, counting)
    z, counting = z[:n], counting[:n]
    detector = load_detector("calogan")
    factors = np.repeat(np.exp(0.3 * z), [288, 144, 72], axis=1)
    cells = factors * generator.gamma(5, 1, (len(z), 504))
    return Events(cells, {"energy": np.full(len(z), 1e5)}, detector, weights=counting)


def without_weights(events: Events) -> Events:
    return replace(events, weights=None)


@pytest.mark.parametrize(
    ("shift", "signs"), [(0.8, False), (0.0, True), (0.5, True)], ids=["p/q", "signs", "both"]
)
def test_weights_undo_a_difference(shift: float, signs: bool) -> None:
    reference = without_weights(weighted_events(1000, 0.0, 1, False))
    candidate = weighted_events(4000, shift, 2, signs)
    settings = replace(QUICK, epochs=15)
    result = two_sample_test(reference, candidate, settings=settings)
    assert abs(result.auc.value - 0.5) < 3 * result.auc.floor_error
    assert result.within_floor
    assert result.control.within_floor
    blind = two_sample_test(reference, without_weights(candidate), settings=settings)
    assert blind.auc.value > blind.auc.limit
    assert blind.auc.value > result.auc.value + 3 * result.auc.floor_error
    # Equal effective numbers, so that the candidate has more events.
    assert result.auc.n_candidate > result.auc.n_reference
    effective = candidate.effective_number * result.auc.n_candidate / len(candidate)
    assert effective == pytest.approx(result.auc.n_reference, rel=0.01)
    json.dumps(result.as_dict(), allow_nan=False)


@pytest.mark.parametrize("signs", [False, True])
def test_a_weighted_reference_is_not_blamed_and_a_difference_is_seen(signs: bool) -> None:
    reference = weighted_events(3000, 0.0 if signs else 0.8, 3, signs)
    same = without_weights(weighted_events(1000, 0.0, 4, False))
    other = without_weights(weighted_events(1000, 0.7, 5, False))
    settings = replace(QUICK, epochs=15)
    assert two_sample_test(reference, same, settings=settings).within_floor
    result = two_sample_test(reference, other, settings=settings)
    assert not result.auc.within_floor
    assert result.auc.value > 0.6
    assert result.control.within_floor


def test_the_floor_is_that_of_effective_numbers() -> None:
    generator = np.random.default_rng(7)
    trial = Scores(
        generator.normal(size=1000),
        generator.normal(size=4000),
        np.ones(1000),
        np.where(generator.random(4000) < 0.25, -1.0, 1.0),
    )
    effective = trial.candidate_weights.sum() ** 2 / 4000
    assert effective == pytest.approx(1000, rel=0.1)
    area = judge_auc([trial], (5000, 20_000))
    assert area.floor_error == pytest.approx(auc_sigma(1000, effective), rel=0.05)
    assert area.limit == pytest.approx(0.5 + 3 * area.floor_error)
    assert (area.n_reference, area.n_candidate) == (5000, 20_000)
    fraction = judge_accuracy([trial], (5000, 20_000))
    assert fraction.floor_error == pytest.approx(np.sqrt(1 / 1000 + 1 / effective) / 4, rel=0.05)


def test_weights_that_say_nothing_change_nothing() -> None:
    events = geant4()[:800]
    plain = two_sample_test(events[:400], events[400:], settings=BRIEF).as_dict()
    equal = replace(events[:400], weights=np.full(400, 0.3))
    assert two_sample_test(equal, events[400:], settings=BRIEF).as_dict() == plain
    # Events of weight 0 are not there.
    spoiled = Events.concatenate([equal, replace(scaled(events[:100], 5), weights=np.zeros(100))])
    assert two_sample_test(spoiled, events[400:], settings=BRIEF).auc.n_reference == 400
    weights = np.random.default_rng(6).exponential(size=400)
    first, second = (
        two_sample_test(
            replace(events[:400], weights=factor * weights), events[400:], settings=BRIEF
        ).as_dict()
        for factor in (1.0, -64.0)
    )
    assert first == second
    assert first["aucs"] != plain["aucs"]


def test_too_uneven_weights_are_refused() -> None:
    events = geant4()[:500]
    uneven = replace(events, weights=np.arange(500.0) ** 4)
    with pytest.raises(RangeError, match=r"candidate has 500 events, but by their weights they"):
        two_sample_test(events, uneven)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_halves_of_the_large_sample_are_at_the_floor_in_all_forms(form: str) -> None:
    if not SHARED.exists():
        pytest.skip(f"{SHARED.name} is not here")
    events = geant4(SHARED)
    result = two_sample_test(events[::2], events[1::2], form=form)
    assert result.auc.within_floor
    assert result.jsd_calibrated.within_floor
    assert result.control.within_floor


@pytest.mark.slow
def test_equal_samples_spread_no_more_than_the_floor_says() -> None:
    settings, n = replace(QUICK, epochs=8), 200
    values, floor_error = [], 0.0
    for seed in range(150):
        x = np.random.default_rng(seed).standard_normal((2 * n, 10)).astype(np.float32)
        trials = run_trials(
            x[:n], x[n:], settings, seed=seed, device=torch.device("cpu"), report=silent
        )
        result = judge_auc([trial.test for trial in trials], (n, n))
        values.append(result.value)
        floor_error = result.floor_error
        assert result.value < 0.5 + 4.5 * floor_error
    assert np.mean(values) == pytest.approx(0.5, abs=4 * floor_error / 150**0.5)
    assert 0.6 < np.std(values) / floor_error < 1.1
