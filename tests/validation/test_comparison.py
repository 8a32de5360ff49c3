"""Comparisons from events to numbers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest

import helpers
from phys_gan.detectors import load_detector
from phys_gan.errors import DetectorError, OutputError, RangeError
from phys_gan.events import Events
from phys_gan.metrics.distances import METRICS
from phys_gan.validation import Observable, Options, compare, evaluate, physics_score

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "datasets" / "geant4_calogan_eplus.h5"
SHARED = ROOT.parent / "shared" / "data" / "geant4"
RESULT_KEYS = {
    "value",
    "error",
    "floor",
    "floor_error",
    "limit",
    "n_reference",
    "n_candidate",
    "within_floor",
    "p_value",
    "n_equivalent",
    "worse",
}


ONE = Options(multivariate=False)
"""Observables one by one; tests of their own look at the rest."""


@cache
def geant4(path: Path = COMMITTED) -> Events:
    showers = helpers.geant4(path)
    with h5py.File(path) as file:
        return Events(
            showers.cells,
            showers.conditions,
            showers.detector,
            file["overflow"][:],
            {"source": "Geant4 11.4.0"},
        )


def changed(events: Events, cells: np.ndarray) -> Events:
    return Events(cells, dict(events.conditions), events.detector)


@pytest.mark.parametrize("path", [COMMITTED, SHARED / "calogan_eplus.h5"], ids=["5000", "11000"])
def test_halves_of_one_geant4_sample_are_within_the_floor(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    events = geant4(path)
    result = compare(events[::2], events[1::2])
    assert result.outside == []
    assert result.within_floor
    assert len(result.results) == 49
    assert "49 of 49 observables within the floor" in result.summary()


def test_halves_with_many_layers_are_within_the_floor() -> None:
    path = SHARED / "calochallenge2_electron.h5"
    if not path.exists():
        pytest.skip("the electron showers are not here")
    with h5py.File(path) as file:
        events = Events(
            file["showers"][:1200],
            {"energy": file["incident_energies"][:1200, 0]},
            load_detector("calochallenge-2"),
        )
    result = compare(events[::2], events[1::2], options=Options(multivariate=False))
    assert result.outside == []
    assert len(result.results) == 142
    assert all(part.outside == [] for part in result.slices)


def test_a_response_that_is_off_by_one_percent_is_outside_and_the_shape_is_not() -> None:
    events = geant4()
    half = events[1::2]
    result = compare(events[::2], changed(half, half.cells * 1.01), options=ONE)
    assert result.outside == ["E_tot/E_inc"]
    assert result.metrics["observables"]["E_tot/E_inc"]["ks"]["value"] > 0.9
    assert result.ranking[0] == "E_tot/E_inc"


def test_smeared_cells_are_outside_where_they_must_be() -> None:
    events, generator = geant4(), np.random.default_rng(1)
    half = events[1::2]
    smeared = half.cells * np.exp(0.3 * generator.standard_normal(half.cells.shape))
    result = compare(events[::2], changed(half, smeared), options=ONE)
    assert {"E_tot/E_inc", "brightest_1", "EC_x_1", "cell_energy"} <= set(result.outside)
    assert not {"E_inc", "sparsity", "sparsity_0"} & set(result.outside)


def test_swapped_axes_and_dead_cells_are_found() -> None:
    events = geant4()
    half = events[1::2]
    cells = half.cells.copy()
    # The central cells of layer 1 on one side give nothing.
    layer = cells[:, half.detector.slice(1)].reshape(-1, 12, 12)
    layer[:, 5, 5] = 0
    cells[:, half.detector.slice(1)] = layer.reshape(len(cells), -1)
    outside = compare(events[::2], changed(half, cells), options=ONE).outside
    assert {"EC_x_1", "EC_y_1", "E_1/E_tot"} <= set(outside)


def test_energies_that_differ_are_a_row_and_a_warning() -> None:
    events = geant4()
    low = events[events.energy < np.median(events.energy)]
    without = Options(trees=False)
    result = compare(events, low, observables=["E_inc", "E_tot/E_inc"], options=without)
    assert "E_inc" in result.outside
    assert "2,500 of 2,500 events of the candidate are in the reference" in result.warnings[0]
    assert "incident energies of both samples differ" in result.warnings[1]
    assert result.warnings[0] in result.summary()
    unknown = Events(low.cells, {}, low.detector)
    found = compare(events, unknown, observables=["depth"], options=without)
    assert "not known" in found.warnings[1]


def test_metrics_have_the_form_of_the_file() -> None:
    events = geant4()[:400]
    metrics = compare(events[::2], events[1::2], seed=3).metrics
    assert {"reference", "candidate", "observables", "multivariate", "provenance"} <= set(metrics)
    for name, results in metrics["observables"].items():
        assert set(METRICS) <= set(results), name
        for result in results.values():
            assert set(result) == RESULT_KEYS
    assert metrics["observables"]["E_tot/E_inc"]["ks"]["n_reference"] == 200
    assert metrics["reference"]["n"] == 200
    assert metrics["reference"]["provenance"] == {"source": "Geant4 11.4.0"}
    assert metrics["provenance"]["seed"] == 3
    histogram = metrics["histograms"]["EC_x_2"]
    undefined = histogram["undefined"]["reference"]
    assert undefined > 0
    assert sum(histogram["reference"]) + undefined == 200
    json.dumps(metrics, allow_nan=False)
    assert evaluate("ks.max<1", metrics).met


def test_equal_seeds_give_equal_metrics() -> None:
    events = geant4()[:200]
    first, second, third = (
        compare(events[::2], events[1::2], seed=s, observables=["depth"]).metrics for s in (1, 1, 2)
    )
    assert first == second
    assert first["observables"] != third["observables"]


def test_own_observables_are_compared() -> None:
    events = geant4()[:200]
    own = Observable("log10 E", lambda showers: np.log10(showers.total), r"$\log_{10} E$")
    result = compare(events[::2], events[1::2], observables=[own, "cell_energy"])
    assert list(result.results) == ["log10 E", "cell_energy"]


def test_a_candidate_without_any_energy_is_outside() -> None:
    events = geant4()[:300]
    result = compare(events, changed(events, np.zeros_like(events.cells)))
    assert {"E_tot/E_inc", "depth", "cell_energy", "sparsity"} <= set(result.outside)
    assert list(result.results["depth"]) == ["undefined"]
    assert "not compared: no candidate events" in result.summary()
    json.dumps(result.metrics, allow_nan=False)


def test_other_detectors_and_few_events_are_refused() -> None:
    events = geant4()
    other = load_detector("calochallenge-1-photons")
    photons = Events(np.ones((30, other.n_cells)), {"energy": np.full(30, 1e3)}, other)
    with pytest.raises(DetectorError, match=r"'calogan' with events of 'calochallenge-1-photons'"):
        compare(events, photons)
    with pytest.raises(DetectorError, match="one detector"):
        physics_score(events, photons)
    with pytest.raises(RangeError, match=r"candidate has 5 events.*at least 20"):
        compare(events, events[:5])


def test_saving_keeps_what_else_is_in_the_folder(tmp_path: Path) -> None:
    events = geant4()[:100]
    result = compare(events[::2], events[1::2], observables=["E_tot/E_inc"], options=ONE)
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    assert result.save(folder) == folder / "index.html"
    names = ["index.html", "metrics.json", "notes.txt"]
    assert sorted(p.name for p in folder.iterdir()) == names
    assert json.loads((folder / "metrics.json").read_text("utf-8")) == result.metrics
    with pytest.raises(OutputError, match="cannot write"):
        result.save(folder / "notes.txt")


def test_the_score_ranks_candidates() -> None:
    events, generator = geant4(), np.random.default_rng(2)
    reference, half = events[:1000], events[1000:2000]
    scores = [
        physics_score(reference, changed(half, half.cells * factor))
        for factor in (
            1.0,
            np.exp(0.1 * generator.standard_normal(half.cells.shape)),
            np.exp(1.0 * generator.standard_normal(half.cells.shape)),
            0.0,
        )
    ]
    assert scores == sorted(scores)
    assert scores[0] < 0.05
    assert scores[-1] > 0.8
    assert physics_score(reference, reference) < 1e-12


def test_requirements_are_checked_on_what_was_found() -> None:
    found = compare(geant4()[:300], geant4()[300:600], options=ONE)
    met, failed = found.check(["ks.max<0.5", "ks.max>0.5"])
    assert (met.met, failed.met) == (True, False)
    assert met.value == max(r["ks"].value for r in found.results.values() if "ks" in r)
