"""Events that do not count once each: weights of generators and matching, and repeated events."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import geant4
from phys_gan.errors import RangeError
from phys_gan.events import Events
from phys_gan.validation import Comparison, Options, compare
from phys_gan.validation.sample import measure_sample
from phys_gan.workflows import validate

OBSERVABLES = ("E_inc", "E_tot/E_inc", "E_1", "depth", "cell_energy")
SIZE = 1500


def compared(reference: Events, candidate: Events, training: Events | None = None) -> Comparison:
    options = Options(multivariate=False, slices=(), observables=OBSERVABLES)
    return compare(reference, candidate, training=training, options=options)


def falling(events: Events) -> np.ndarray:
    """Return weights that turn the spectrum of the sample, 1/E, into a steeper one."""
    return np.exp(-events.energy / 10_000)


def unweighted(events: Events, seed: int = 1) -> Events:
    """Return events with the steeper spectrum, by accepting each with its weight."""
    return events[np.random.default_rng(seed).random(len(events)) < falling(events)]


@pytest.mark.parametrize("negative", [0.0, 0.15])
def test_a_weighted_reference_is_the_sample_that_its_weights_stand_for(negative: float) -> None:
    events = geant4()
    reference, candidate = events[:SIZE], unweighted(events[SIZE:])
    signs = np.where(np.random.default_rng(2).random(SIZE) < negative, -1, 1)
    weighted = compared(replace(reference, weights=40 * signs * falling(reference)), candidate)
    assert weighted.outside == []
    assert weighted.reference.weighted
    assert weighted.reference.n_effective < 0.75 * SIZE
    assert f"The {SIZE:,} events of the reference have weights" in weighted.warnings[0]
    assert ("of them negative" in weighted.warnings[0]) == (negative > 0)
    assert set(compared(reference, candidate).outside) >= {"E_inc", "E_1", "depth"}


def test_a_weighted_candidate_is_judged_by_its_weights() -> None:
    events = geant4()
    reference, other = unweighted(events[:2500]), events[2500:]
    assert compared(reference, replace(other, weights=falling(other))).outside == []
    spoilt = replace(other, cells=other.cells * np.float32(1.03), weights=falling(other))
    assert "E_tot/E_inc" in compared(reference, spoilt).outside


def test_equal_weights_change_nothing() -> None:
    events = geant4()
    reference, candidate = events[:500], events[500:1000]
    plain = compared(reference, candidate)
    equal = compared(replace(reference, weights=np.full(500, 0.3)), candidate)
    assert equal.results == plain.results
    assert "have weights" in equal.warnings[0]


def test_the_scale_of_weights_means_nothing() -> None:
    events = geant4()
    reference, candidate = events[:500], events[500:1000]
    small, large = (
        compared(replace(reference, weights=scale * falling(reference)), candidate).results
        for scale in (1.0, 1024.0)
    )
    assert small == large


@pytest.mark.parametrize("weights", [np.zeros(500), -np.ones(500), np.r_[np.ones(499), -490]])
def test_weights_that_cancel_are_refused(weights: np.ndarray) -> None:
    events = geant4()
    with pytest.raises((RangeError, ValueError), match=r"weights|worth .* of equal weight"):
        compared(replace(events[:500], weights=weights), events[500:1000])


def test_what_is_measured_of_weighted_events_does_not_depend_on_blocks() -> None:
    events = geant4()[:300]
    events = replace(events, weights=falling(events))
    whole = measure_sample(events, "whole")
    parts = measure_sample((events[i : i + 70] for i in range(0, 300, 70)), "parts")
    np.testing.assert_array_equal(whole.weights, parts.weights)
    np.testing.assert_allclose(whole.profiles.cells.mean, parts.profiles.cells.mean, rtol=1e-12)
    np.testing.assert_allclose(whole.profiles.cells.error, parts.profiles.cells.error, rtol=1e-9)
    # The average shower is that of the distribution that the weights stand for.
    mean = np.average(events.cells.astype(np.float64), axis=0, weights=events.weights)
    np.testing.assert_allclose(whole.profiles.cells.mean, mean, rtol=1e-10)


def test_repeated_events_are_counted_once() -> None:
    events = geant4()
    hundred, candidate = events[:100], events[100:400]
    four = Events.concatenate([hundred] * 4)
    once, repeated = compared(hundred, candidate), compared(four, candidate)
    assert repeated.results == once.results
    assert repeated.reference.n == 100
    assert repeated.reference.n_copies == 300
    assert not repeated.reference.weighted
    assert (
        "300 of 400 events of the reference are copies of others there, bit for bit: its 100 "
        "different events are counted" in repeated.warnings[0]
    )
    mean, error = (repeated.reference.profiles.depth.mean, repeated.reference.profiles.depth.error)
    np.testing.assert_allclose(mean, once.reference.profiles.depth.mean)
    np.testing.assert_allclose(error, once.reference.profiles.depth.error, rtol=0.01)


def test_events_that_are_repeated_differently_count_by_their_copies() -> None:
    events = geant4()
    # A sample that was made unweighted by drawing with replacement has the right distribution.
    chance = falling(events[:2500]) / falling(events[:2500]).sum()
    rows = np.random.default_rng(3).choice(2500, 2500, p=chance)
    found = compared(events[rows], unweighted(events[2500:]))
    assert found.outside == []
    assert found.reference.n == len(np.unique(rows))
    assert found.reference.n_effective < found.reference.n
    # A candidate that repeats its events is told so by name.
    swapped = compared(unweighted(events[2500:]), events[rows])
    assert [finding.name for finding in swapped.findings] == ["repeated events"]


def test_a_reference_of_hardly_any_different_events_is_refused() -> None:
    with pytest.raises(RangeError, match="only 15 of the 150 events of the reference"):
        compared(Events.concatenate([geant4()[:15]] * 10), geant4()[100:200])


def test_a_candidate_of_one_event_is_judged() -> None:
    events = geant4()
    found = compared(events[:300], events[np.full(200, 400)])
    assert "E_1" in found.outside
    assert "199 of 200 events of the candidate are copies" in found.warnings[0]


def test_a_read_out_of_ones_has_no_copies() -> None:
    generator = np.random.default_rng(4)
    cells = np.zeros((400, 504), np.float32)
    for row in cells:
        row[generator.choice(504, 100, replace=False)] = 1
    digital = Events(cells, {"energy": np.full(400, 20_000.0)}, geant4().detector)
    found = compared(digital[:200], digital[200:])
    assert found.reference.n_copies == found.candidate.n_copies == found.n_shared == 0


def test_a_file_against_itself_is_no_test(tmp_path: Path) -> None:
    file = "datasets/geant4_calogan_eplus.h5"
    options = Options(multivariate=False, slices=(), observables=("E_tot/E_inc",))
    verdict = validate(file, [file], tmp_path, options=options, figures=False)
    said = "5,000 of 5,000 events of the geant4_calogan_eplus are in the reference too"
    metrics = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    assert metrics["shared_events"] == 5000
    assert said in " ".join(metrics["provenance"]["warnings"])
    assert said in verdict.comparisons.summary()
    assert said in verdict.page.read_text("utf-8")


def test_a_reference_of_training_events_is_no_test() -> None:
    events = geant4()
    found = compared(events[:200], events[200:400], training=events[150:1000])
    assert any("50 of 200 events of the reference are training events" in w for w in found.warnings)
